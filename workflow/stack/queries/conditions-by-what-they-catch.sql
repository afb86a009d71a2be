-- How useful each activation condition is: of the reviews that it sent to people, alone or with other conditions,
-- those in which people corrected something. Conditions that catch nothing come first.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
WITH compared AS (
    -- A name can be used again once its human loop is deleted, so the creation time belongs to it.
    SELECT DISTINCT
        activated.condition_name,
        human_loop_name,
        created_at,
        overruled
    FROM reviews
    CROSS JOIN UNNEST(activation_conditions) AS activated (condition_name)
    CROSS JOIN UNNEST(fields) AS field
    WHERE
        flow_definition = 'YOUR-FLOW-DEFINITION'
        AND "date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)
        AND (
            field.outcome = 'added'
            OR (field.outcome IN ('kept', 'changed', 'removed') AND field.predicted IS NOT NULL)
        )
)
SELECT
    condition_name,
    count(*) AS reviews_compared,
    count(*) FILTER (WHERE overruled) AS reviews_overruled,
    round(100e0 * count(*) FILTER (WHERE overruled) / count(*), 1) AS overruled_percent
FROM compared
GROUP BY condition_name
ORDER BY overruled_percent, reviews_compared DESC, condition_name
