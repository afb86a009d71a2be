-- How often each worker's answer is the one that most workers gave, over fields with two or more answers and a
-- majority. Boxes, points and outlines agree if their labels do: no two are drawn alike. Lowest agreement first:
-- ask whether the instructions are clear before asking who is careless.
-- Write the name of your flow definition in place of YOUR-FLOW-DEFINITION.
WITH votes AS (
    SELECT
        answers[said.worker_index + 1].worker_id AS worker_id,
        CASE
            WHEN field.kind IN ('box', 'keypoint', 'polygon')
                THEN regexp_extract(said."value", '"label":"([^"\\]|\\.)*"')
            ELSE said."value"
        END AS worker_vote,
        CASE
            WHEN field.kind IN ('box', 'keypoint', 'polygon')
                THEN regexp_extract(field.reviewed, '"label":"([^"\\]|\\.)*"')
            ELSE field.reviewed
        END AS majority_vote
    FROM reviews
    CROSS JOIN UNNEST(fields) AS field
    CROSS JOIN UNNEST(field.per_worker) AS said
    WHERE
        flow_definition = 'YOUR-FLOW-DEFINITION'
        AND "date" >= CAST(CAST(current_date - INTERVAL '30' DAY AS date) AS varchar)
        AND field.agreement IS NOT NULL
        AND field.outcome <> 'unresolved'
)
SELECT
    worker_id,
    count(*) AS fields_answered,
    count(*) FILTER (WHERE worker_vote IS NOT DISTINCT FROM majority_vote) AS fields_agreed,
    round(
        100e0 * count(*) FILTER (WHERE worker_vote IS NOT DISTINCT FROM majority_vote) / count(*), 1
    ) AS agreed_percent
FROM votes
GROUP BY worker_id
ORDER BY agreed_percent, fields_answered DESC, worker_id
