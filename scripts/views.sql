-- Prints the SQL of a view for each type of record in a lake (`unzip-jsonl --layout duckdb`). A
-- view has all columns of the schema report (`--schema-report`). Run the output in the database
-- that gets the views:
--
--   duckdb -noheader -list -c "SET VARIABLE lake = 'lake'" -c "SET VARIABLE report = 'schema.ndjson'" \
--       -f scripts/views.sql | duckdb -bail calls.duckdb
--
-- The name of a view is the last directory of the lake's path and the type, for example
-- lake_dialog_end. If the values of a key have several types, or an integer is beyond 64 bits, the
-- column is JSON, which keeps every digit. The column `filename` names the file of the record, and
-- `date` and `hour` come from the names of the directories.
--
-- In DuckDB, names of columns that differ only in case are the same name. So if keys of a type
-- differ only in case, only the first of them (in the order of their bytes) gets a column. The keys
-- `filename`, `date` and `hour` get none. For each key without a column, the output has a SELECT
-- that prints a warning. `read_ndjson_objects` reads such keys, too.

WITH keys AS (
    SELECT message_type, path, CASE list_sort(list_filter(ever, lambda type: type <> 'null'))
        WHEN ['string'] THEN 'VARCHAR'
        WHEN ['boolean'] THEN 'BOOLEAN'
        WHEN ['integer'] THEN if(beyond_int64 = 0, 'BIGINT', 'JSON')
        WHEN ['number'] THEN 'DOUBLE'
        WHEN ['integer', 'number'] THEN if(beyond_2_53 = 0, 'DOUBLE', 'JSON')
        ELSE 'JSON' END AS type,
        if(lower(path) IN ('message_type', 'filename', 'date', 'hour'), lower(path),
            first(path) OVER (PARTITION BY message_type, lower(path) ORDER BY path)) AS name
    FROM read_json(getvariable('report'), columns = {message_type: 'VARCHAR', path: 'VARCHAR',
        ever: 'VARCHAR[]', beyond_2_53: 'BIGINT', beyond_int64: 'BIGINT'})
    WHERE message_type IS NOT NULL AND path <> '' AND NOT regexp_matches(path, '[].["]')
), columns AS (
    SELECT *, path = name AND path NOT IN ('filename', 'date', 'hour') AS has_column FROM keys
)
SELECT format('CREATE OR REPLACE VIEW "{0}_{2}" AS FROM read_json(''{1}/message_type={2}/*/*/*.ndjson*'',
    format = ''newline_delimited'', filename = true, hive_types = {{''date'': DATE, ''hour'': BIGINT}},
    columns = {{{3}}});',
    parse_filename(rtrim(getvariable('lake'), '/')), rtrim(getvariable('lake'), '/'), message_type,
    string_agg(format('"{}": ''{}''', path, type), ', ' ORDER BY path))
FROM columns WHERE has_column GROUP BY message_type
UNION ALL
SELECT format('SELECT ''{}: no column for the key "{}": the view has another column "{}"'' AS warning;',
    replace(message_type, '''', ''''''), replace(path, '''', ''''''), name)
FROM columns WHERE NOT has_column;
