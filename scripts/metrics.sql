-- Macros that read the rows of ocp-metrics in DuckDB, directly from their files.
--
--   duckdb -c ".read scripts/metrics.sql" -c "FROM metrics('*.ndjson') LIMIT 10"
--
-- The macros name all columns, so that DuckDB also finds a tag or a mark that first occurs late in
-- a file.

-- Every row, unchanged.
CREATE OR REPLACE MACRO metric_rows(files) AS TABLE
SELECT * REPLACE (coalesce(partial, false) AS partial, coalesce(assumed, false) AS assumed,
    coalesce(gone, false) AS gone, CAST(value AS DOUBLE) AS value), value AS exact
FROM read_json(files, format = 'newline_delimited', columns = {
    metric: 'VARCHAR', "from": 'TIMESTAMPTZ', "to": 'TIMESTAMPTZ', value: 'JSON', step: 'VARCHAR',
    source: 'VARCHAR', category: 'VARCHAR', api: 'VARCHAR', "group": 'VARCHAR',
    tags: 'MAP(VARCHAR, VARCHAR)', filters: 'JSON', drilldown: 'BOOLEAN', timezone: 'VARCHAR',
    series: 'VARCHAR', as_of: 'TIMESTAMPTZ', settled: 'BOOLEAN', partial: 'BOOLEAN',
    assumed: 'BOOLEAN', gone: 'BOOLEAN', revision: 'INTEGER', previous: 'JSON'
});

-- Each bucket once, with the values of its latest row, without buckets that are gone. If two rows
-- have the same time, the row with the greater revision counts, then the row that is not gone, then
-- the row with the greater value. So the order of the files does not matter.
CREATE OR REPLACE MACRO metrics(files) AS TABLE
SELECT * FROM (
    FROM metric_rows(files)
    QUALIFY row_number() OVER (PARTITION BY series, "from"
        ORDER BY as_of DESC, revision DESC NULLS LAST, gone, value DESC NULLS LAST, settled DESC,
            partial, assumed, exact::VARCHAR DESC NULLS LAST, previous::VARCHAR DESC NULLS LAST) = 1
) WHERE NOT gone;

-- The counts of calls by hour (UTC) of the Metrics API, and the number of root
-- records of dialog_end in a directory of `unzip-jsonl --layout duckdb`. The
-- vendor does not say whether the two numbers count the same things. So
-- `usual`, the expected number of records, is `counted` times the median of
-- records / counted in the week before. If that week has fewer than 12 hours
-- with calls, the median of all hours is used. `departs` marks an hour that
-- you should look at; it proves nothing. Counts
-- of a part of the calls (--filter, --by) are ignored. `threshold` is a
-- fraction of `usual`: control_totals('*.ndjson', 'lake', threshold := 0.5).
CREATE OR REPLACE MACRO control_totals(files, lake, threshold := 0.2) AS TABLE
WITH buckets AS (
    SELECT "group", metric, step, to_timestamp(epoch_ms("from") // 3600000 * 3600) AS hour, value, settled
    FROM metrics(files)
    WHERE metric IN ('dialogs', 'dialogs_completed') AND step IN ('hour', 'five_min') AND NOT drilldown
        AND list_distinct(CAST(json_extract(filters, '$.*') AS VARCHAR[])) IN ([], ['[]'])
), counts AS (
    SELECT "group", metric, hour, sum(value) AS counted FROM buckets
    GROUP BY "group", metric, hour, step HAVING bool_and(settled)
    QUALIFY row_number() OVER (PARTITION BY "group", metric, hour ORDER BY step DESC) = 1
), roots AS (
    SELECT to_timestamp("time" // 3600000 * 3600) AS hour,
        coalesce(nullif(flow.ocp_group_name, ''), nullif(group_name, ''), nullif(flow.organization, ''),
            (SELECT any_value("group") FROM counts HAVING count(DISTINCT "group") = 1)) AS "group"
    FROM read_json(lake || '/message_type=dialog_end/*/*/*.ndjson*', format = 'newline_delimited',
        hive_partitioning = false, columns = {"time": 'BIGINT', group_name: 'VARCHAR', flow:
            'STRUCT(parent_step JSON, type VARCHAR, ocp_group_name VARCHAR, organization VARCHAR)'})
    WHERE flow.type = 'Flow' AND trim(flow.parent_step::VARCHAR, '"') = '0'
), found AS (
    SELECT "group", hour, count(*) AS records FROM roots GROUP BY ALL
), pairs AS (
    SELECT "group", metric, hour, coalesce(records, 0) AS records, counted,
        coalesce(records, 0) / nullif(counted, 0) AS ratio
    FROM counts LEFT JOIN found USING ("group", hour)
    WHERE hour BETWEEN (SELECT min(hour) FROM found) AND (SELECT max(hour) FROM found)
), expected AS (
    SELECT * EXCLUDE ratio, counted * CASE WHEN count(ratio) OVER week >= 12
        THEN median(ratio) OVER week ELSE median(ratio) OVER (PARTITION BY "group", metric) END AS usual
    FROM pairs WINDOW week AS (PARTITION BY "group", metric ORDER BY hour
        RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND INTERVAL 1 HOUR PRECEDING)
)
SELECT *, abs(records - usual) > greatest(threshold * usual, 3) AS departs FROM expected ORDER BY ALL;
