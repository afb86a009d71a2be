-- How often each worker's answer is the one that most workers gave, over fields with two or more answers and a
-- majority. Lowest agreement first: ask whether the instructions are clear before asking who is careless.
-- Write the name of your flow definition in place of YOUR-FLOW-DEFINITION.
SELECT
    answers[said.worker_index + 1].worker_id AS worker_id,
    count(*) AS fields_answered,
    count(*) FILTER (WHERE said."value" IS NOT DISTINCT FROM field.reviewed) AS fields_agreed,
    round(
        100e0 * count(*) FILTER (WHERE said."value" IS NOT DISTINCT FROM field.reviewed) / count(*), 1
    ) AS agreed_percent
FROM reviews
CROSS JOIN UNNEST(fields) AS field
CROSS JOIN UNNEST(field.per_worker) AS said
WHERE
    flow_definition = 'YOUR-FLOW-DEFINITION'
    AND "date" >= CAST(CAST(current_date - INTERVAL '30' DAY AS date) AS varchar)
    AND field.agreement IS NOT NULL
    AND field.outcome <> 'unresolved'
GROUP BY answers[said.worker_index + 1].worker_id
ORDER BY agreed_percent, fields_answered DESC, worker_id
