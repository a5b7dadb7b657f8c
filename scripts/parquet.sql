-- Prints the SQL that writes a lake as Parquet, one file for each type and day. The database needs
-- the views of views.sql. The SQL writes a type and day only if the lake has got new files
-- for them since their Parquet file was written, or if the view of the type has other columns:
--
--   duckdb -noheader -list calls.duckdb -c "SET VARIABLE lake = 'lake'" \
--       -c "SET VARIABLE parquet = 'parquet'" -f scripts/parquet.sql > copies.sql
--   duckdb -bail calls.duckdb < copies.sql
--
-- A day is written to parquet/message_type=T/date=D/_records.part; the directory
-- parquet/message_type=T/date=D must exist. When duckdb has ended, rename the file to
-- records.parquet; docs/duckdb.md has the commands. `SET VARIABLE since = DATE '2026-11-01'` skips
-- older days.
--
-- Columns that are JSON in a view are text in Parquet, because few programs can read Parquet's JSON
-- type.
--
-- Each Parquet file stores a hash of the view, and of the names and sizes of
-- the files in the lake that it was made from. So after a killed run you need not repair anything:
-- the next run writes the unfinished files.

SET VARIABLE there = (SELECT list(file) FROM glob(getvariable('parquet') || '/*/*/records.parquet'));

WITH lake AS (
    SELECT filename, size, regexp_extract(filename, 'message_type=([^/]*)/', 1) AS type,
        regexp_extract(filename, 'date=([^/]*)/', 1) AS day
    FROM read_blob(rtrim(getvariable('lake'), '/') || '/message_type=*/date=*/*/*.ndjson*')
), views AS (
    SELECT view_name, any_value(sql) AS sql, string_agg(
        format(if(data_type = 'JSON', '"{0}"::VARCHAR AS "{0}"', '"{0}"'), column_name),
        ', ' ORDER BY column_index) AS columns
    FROM duckdb_columns() JOIN duckdb_views() ON view_name = table_name
    WHERE column_name NOT IN ('message_type', 'date', 'filename')
    GROUP BY view_name
), days AS (
    SELECT columns, view_name, format('{}/message_type={}/date={}', getvariable('parquet'), type, day) AS directory,
        string_agg('''' || replace(filename, '''', '''''') || '''', ', ' ORDER BY filename) AS files,
        md5(string_agg(filename || ' ' || size, chr(10) ORDER BY filename) || any_value(sql)) AS sources
    FROM lake JOIN views ON view_name = parse_filename(rtrim(getvariable('lake'), '/')) || '_' || type
    WHERE getvariable('since') IS NULL OR coalesce(try_cast(day AS DATE) >= getvariable('since'), true)
    GROUP BY ALL
), written AS (
    FROM query(if(getvariable('there') IS NULL, 'SELECT '''' AS file_name, '''' AS sources',
        'SELECT file_name, decode(value) AS sources
         FROM parquet_kv_metadata(getvariable(''there'')) WHERE decode(key) = ''sources'''))
)
SELECT format('COPY (SELECT {} FROM "{}" WHERE filename IN ({}))
    TO ''{}/_records.part'' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{sources: ''{}''}});',
    columns, view_name, files, directory, sources)
FROM days ANTI JOIN written
    ON written.file_name = days.directory || '/records.parquet' AND written.sources = days.sources
ORDER BY directory;
