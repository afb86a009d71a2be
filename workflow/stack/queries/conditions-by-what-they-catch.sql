-- How useful each activation condition is: of the reviews that it sent to people, alone or with other conditions,
-- those in which people corrected something. Conditions that catch nothing come first.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
SELECT
    activated.condition_name,
    count(DISTINCT human_loop_name) AS reviews_compared,
    count(DISTINCT human_loop_name) FILTER (WHERE overruled) AS reviews_overruled,
    round(
        100e0 * count(DISTINCT human_loop_name) FILTER (WHERE overruled) / count(DISTINCT human_loop_name), 1
    ) AS overruled_percent
FROM reviews
CROSS JOIN UNNEST(activation_conditions) AS activated (condition_name)
CROSS JOIN UNNEST(fields) AS field
WHERE
    flow_definition = 'YOUR-FLOW-DEFINITION'
    AND "date" >= CAST(CAST(current_date - INTERVAL '30' DAY AS date) AS varchar)
    AND (
        field.outcome = 'added'
        OR (field.outcome IN ('kept', 'changed', 'removed') AND field.predicted IS NOT NULL)
    )
GROUP BY activated.condition_name
ORDER BY overruled_percent, reviews_compared DESC, condition_name
