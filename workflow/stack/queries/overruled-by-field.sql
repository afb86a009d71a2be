-- How often people overrule the model, field by field: of the predictions with a result, those that people
-- changed or removed. Most overruled first.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
WITH counted AS (
    SELECT
        field.name AS field_name,
        count(*) FILTER (
            WHERE field.outcome IN ('kept', 'changed', 'removed') AND field.predicted IS NOT NULL
        ) AS predictions,
        count(*) FILTER (
            WHERE field.outcome IN ('changed', 'removed') AND field.predicted IS NOT NULL
        ) AS predictions_overruled,
        count(*) FILTER (WHERE field.outcome = 'added') AS added_by_people,
        count(*) FILTER (
            WHERE field.outcome = 'unresolved' AND field.predicted IS NOT NULL
        ) AS without_majority
    FROM reviews
    CROSS JOIN UNNEST(fields) AS field
    WHERE
        flow_definition = 'YOUR-FLOW-DEFINITION'
        AND "date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)
    GROUP BY field.name
)
SELECT
    field_name,
    predictions,
    predictions_overruled,
    round(100e0 * predictions_overruled / nullif(predictions, 0), 1) AS overruled_percent,
    added_by_people,
    without_majority
FROM counted
ORDER BY overruled_percent DESC NULLS LAST, predictions DESC, field_name
