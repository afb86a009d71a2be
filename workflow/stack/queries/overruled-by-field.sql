-- How often people overrule the model, field by field: of the predictions with a result, those that people
-- changed or removed. Most overruled first.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
SELECT
    field.name AS field_name,
    count(*) FILTER (
        WHERE field.outcome IN ('kept', 'changed', 'removed') AND field.predicted IS NOT NULL
    ) AS predictions,
    count(*) FILTER (WHERE field.outcome IN ('changed', 'removed')) AS predictions_overruled,
    round(
        100e0 * count(*) FILTER (WHERE field.outcome IN ('changed', 'removed'))
        / nullif(
            count(*) FILTER (
                WHERE field.outcome IN ('kept', 'changed', 'removed') AND field.predicted IS NOT NULL
            ),
            0
        ),
        1
    ) AS overruled_percent,
    count(*) FILTER (WHERE field.outcome = 'added') AS added_by_people,
    count(*) FILTER (WHERE field.outcome = 'unresolved') AS without_majority
FROM reviews
CROSS JOIN UNNEST(fields) AS field
WHERE
    flow_definition = 'YOUR-FLOW-DEFINITION'
    AND "date" >= CAST(CAST(current_date - INTERVAL '30' DAY AS date) AS varchar)
GROUP BY field.name
ORDER BY overruled_percent DESC NULLS LAST, predictions DESC, field_name
