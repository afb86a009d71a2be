-- How often each worker agrees with the majority, over fields that have two or more answers and a majority.
-- Boxes, points, lines, polygons and masks agree if their labels do, because no two are drawn alike. Lowest agreement
-- first: check whether the instructions are clear before you question a worker.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
WITH votes AS (
    SELECT
        answers[vote.worker_index + 1].worker_id AS worker_id,
        -- Records of earlier versions have no vote_index.
        coalesce(vote.vote_index = 0, field.agreement = 1) AS voted_so,
        CASE
            WHEN field.kind IN ('box', 'keypoint', 'line', 'polygon')
                THEN regexp_extract(vote."value", '"label":"([^"\\]|\\.)*"')
            WHEN field.kind = 'segmentation' THEN regexp_extract(vote."value", '"labels":.*')
            ELSE vote."value"
        END AS worker_vote,
        CASE
            WHEN field.kind IN ('box', 'keypoint', 'line', 'polygon')
                THEN regexp_extract(field.reviewed, '"label":"([^"\\]|\\.)*"')
            WHEN field.kind = 'segmentation' THEN regexp_extract(field.reviewed, '"labels":.*')
            ELSE field.reviewed
        END AS majority_vote
    FROM reviews
    CROSS JOIN UNNEST(fields) AS field
    CROSS JOIN UNNEST(field.per_worker) AS vote
    WHERE
        flow_definition = 'YOUR-FLOW-DEFINITION'
        AND "date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)
        AND field.agreement IS NOT NULL
        AND field.outcome <> 'unresolved'
)
SELECT
    worker_id,
    count(*) AS fields_answered,
    count(*) FILTER (WHERE voted_so OR worker_vote IS NOT DISTINCT FROM majority_vote) AS fields_agreed,
    round(
        100e0 * count(*) FILTER (WHERE voted_so OR worker_vote IS NOT DISTINCT FROM majority_vote) / count(*), 1
    ) AS agreed_percent
FROM votes
GROUP BY worker_id
ORDER BY agreed_percent, fields_answered DESC, worker_id
