-- How long a review takes in seconds, month by month, as the sum of all workers' time. Half of the reviews take
-- no longer than the median, and nine of ten no longer than p90.
-- Replace YOUR-FLOW-DEFINITION with the name of your flow definition.
WITH timed AS (
    SELECT
        substr("date", 1, 7) AS creation_month,
        seconds_spent,
        row_number() OVER (PARTITION BY substr("date", 1, 7) ORDER BY seconds_spent) AS place,
        count(*) OVER (PARTITION BY substr("date", 1, 7)) AS reviews_in_month
    FROM reviews
    WHERE
        flow_definition = 'YOUR-FLOW-DEFINITION'
        AND "date" >= CAST(CAST(current_date - INTERVAL '29' DAY AS date) AS varchar)
        AND seconds_spent IS NOT NULL
)
SELECT
    creation_month,
    count(*) AS reviews_timed,
    min(seconds_spent) FILTER (WHERE 2 * place >= reviews_in_month) AS median_seconds,
    min(seconds_spent) FILTER (WHERE 10 * place >= 9 * reviews_in_month) AS p90_seconds,
    round(sum(seconds_spent) / 3600, 2) AS hours
FROM timed
GROUP BY creation_month
ORDER BY creation_month
