-- Prints the SQL of a view for each type of record in a lake (`unzip-jsonl --layout duckdb`). A
-- view has all columns of the schema report (`--schema-report`). Run the output in the database
-- that gets the views:
--
--   duckdb -noheader -list -c "SET VARIABLE lake = 'lake'" -c "SET VARIABLE report = 'schema.ndjson'" \
--       -f scripts/views.sql | duckdb -bail calls.duckdb
--
-- The name of a view is the last directory of the lake's path and the type, for example
-- lake_dialog_end. If the values of a key have several types, or an integer is beyond 64 bits, the
-- column is JSON, which keeps every digit. The column `filename` names the file of the record.

SELECT format('CREATE OR REPLACE VIEW "{0}_{2}" AS FROM read_json(''{1}/message_type={2}/*/*/*.ndjson*'',
    format = ''newline_delimited'', filename = true, hive_types = {{''date'': DATE, ''hour'': BIGINT}},
    columns = {{{3}}});',
    parse_filename(rtrim(getvariable('lake'), '/')), rtrim(getvariable('lake'), '/'), message_type,
    string_agg(format('"{}": ''{}''', path, type), ', ' ORDER BY path))
FROM (
    SELECT message_type, path, CASE list_sort(list_filter(ever, lambda type: type <> 'null'))
        WHEN ['string'] THEN 'VARCHAR'
        WHEN ['boolean'] THEN 'BOOLEAN'
        WHEN ['integer'] THEN if(beyond_int64 = 0, 'BIGINT', 'JSON')
        WHEN ['number'] THEN 'DOUBLE'
        WHEN ['integer', 'number'] THEN if(beyond_2_53 = 0, 'DOUBLE', 'JSON')
        ELSE 'JSON' END AS type
    FROM read_json(getvariable('report'), columns = {message_type: 'VARCHAR', path: 'VARCHAR',
        ever: 'VARCHAR[]', beyond_2_53: 'BIGINT', beyond_int64: 'BIGINT'})
    WHERE path <> '' AND NOT regexp_matches(path, '[].["]')
)
WHERE message_type IS NOT NULL GROUP BY message_type;
