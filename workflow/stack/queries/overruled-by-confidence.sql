-- How often people overrule the model, by its confidence: ten bands from 0 to 1. This is about the predictions that
-- people checked. If a random sample of the others was checked too, the report estimates it for all predictions.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
SELECT
    least(floor(10 * field.confidence), 9) / 10 AS confidence_from,
    round(100 * avg(field.confidence), 1) AS mean_confidence_percent,
    count(*) AS predictions,
    count(*) FILTER (WHERE field.outcome <> 'kept') AS predictions_overruled,
    round(100e0 * count(*) FILTER (WHERE field.outcome <> 'kept') / count(*), 1) AS overruled_percent
FROM reviews
CROSS JOIN UNNEST(fields) AS field
WHERE
    flow_definition = 'YOUR-FLOW-DEFINITION'
    AND "date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)
    AND field.confidence BETWEEN 0 AND 1
    AND field.outcome IN ('kept', 'changed', 'removed')
    AND field.predicted IS NOT NULL
GROUP BY least(floor(10 * field.confidence), 9) / 10
ORDER BY confidence_from
