-- Loads what callpipe exported into a DuckDB database, as typed tables and as
-- views that join them. It reads only files that are new or that have changed
-- since they were loaded. The records of a changed file replace its old
-- records.
--
--   duckdb calls.duckdb -c "SET VARIABLE cdrs = 'records/*.ndjson'" \
--                       -c "SET VARIABLE calls = 'calls/*.ndjson'" \
--                       -c "SET VARIABLE messages = 'messages/*.ndjson'" \
--                       -c "SET VARIABLE recordings = 'recordings/*.ndjson'" -f scripts/load.sql
--
-- You may omit any of these variables. At the end the script prints the number of new files, and
-- lists the types that have no table. Records of these types are in other_records, unchanged. After
-- `DELETE FROM loaded_files` the next run loads everything again.
--
-- The script names all columns, because DuckDB would infer them from the first 20480 records only:
-- a later key is an error in a single file, and is silently dropped from several files.
-- undocumented_keys() finds keys without a column. If a vendor does not document a type, or numbers
-- go beyond 2^53, the column is JSON, which keeps every digit.

-- Omilia: calls, their steps, voice biometrics, audit, recordings ---------------

CREATE OR REPLACE MACRO read_dialog_start(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    message_type: 'VARCHAR', id: 'VARCHAR', "group": 'VARCHAR', session_id: 'VARCHAR',
    connection_id: 'VARCHAR', "time": 'BIGINT', channel: 'VARCHAR', device_type: 'VARCHAR',
    direction: 'VARCHAR', locale: 'VARCHAR', origin_uri: 'VARCHAR', hashed_origin_uri: 'VARCHAR',
    destination_uri: 'VARCHAR', test_flag: 'BOOLEAN', incoming_attached_data: 'JSON',
    app: 'STRUCT(name VARCHAR, version BIGINT)', asr: 'JSON', diamant: 'JSON',
    flow: 'STRUCT(id VARCHAR, name VARCHAR, type VARCHAR, uuid VARCHAR, account_id VARCHAR,
        organization VARCHAR, ocp_group_name VARCHAR, diamant_app_name VARCHAR, parent_name VARCHAR,
        parent_id VARCHAR, parent_step BIGINT, root_step BIGINT, path VARCHAR[], version_tag VARCHAR)'
}) WHERE message_type = 'dialog_start';

CREATE OR REPLACE MACRO read_dialog_step(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    message_type: 'VARCHAR', id: 'VARCHAR', "group": 'VARCHAR', session_id: 'VARCHAR',
    connection_id: 'VARCHAR', "time": 'BIGINT', channel: 'VARCHAR', locale: 'VARCHAR',
    origin_uri: 'VARCHAR', hashed_origin_uri: 'VARCHAR', destination_uri: 'VARCHAR',
    test_flag: 'BOOLEAN', input_modality: 'VARCHAR', original_utterance: 'VARCHAR',
    transcription: 'VARCHAR', action: 'JSON', nlu: 'JSON', bio: 'JSON', events: 'JSON',
    app: 'STRUCT(name VARCHAR, version BIGINT)', asr: 'JSON', diamant: 'JSON',
    flow: 'STRUCT(id VARCHAR, name VARCHAR, type VARCHAR, uuid VARCHAR, account_id VARCHAR,
        organization VARCHAR, ocp_group_name VARCHAR, diamant_app_name VARCHAR, parent_name VARCHAR,
        parent_id VARCHAR, parent_step BIGINT, root_step BIGINT, path VARCHAR[], version_tag VARCHAR)'
}) WHERE message_type = 'dialog_step';

CREATE OR REPLACE MACRO read_dialog_end(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    message_type: 'VARCHAR', id: 'VARCHAR', "group": 'VARCHAR', session_id: 'VARCHAR',
    connection_id: 'VARCHAR', contact_id: 'VARCHAR', "time": 'BIGINT', duration: 'DOUBLE',
    end_type: 'VARCHAR', channel: 'VARCHAR', device_type: 'VARCHAR', direction: 'VARCHAR',
    locale: 'VARCHAR', origin_uri: 'VARCHAR', hashed_origin_uri: 'VARCHAR',
    destination_uri: 'VARCHAR', test_flag: 'BOOLEAN', exported: 'BOOLEAN', steps_num: 'BIGINT',
    no_inputs: 'BIGINT', no_matches: 'BIGINT', rejections: 'BIGINT', same_states: 'BIGINT',
    agent_request: 'BIGINT', exit_point: 'VARCHAR', exit_attached_data: 'JSON', events: 'VARCHAR',
    synopsis_uri: 'VARCHAR', kvps: 'STRUCT("key" VARCHAR, "value" JSON, step VARCHAR)[]',
    metrics: 'JSON', app: 'STRUCT(name VARCHAR, version BIGINT)', asr: 'JSON', diamant: 'JSON',
    flow: 'STRUCT(id VARCHAR, name VARCHAR, type VARCHAR, uuid VARCHAR, account_id VARCHAR,
        organization VARCHAR, ocp_group_name VARCHAR, diamant_app_name VARCHAR, parent_name VARCHAR,
        parent_id VARCHAR, parent_step BIGINT, root_step BIGINT, path VARCHAR[], version_tag VARCHAR)'
}) WHERE message_type = 'dialog_end';

CREATE OR REPLACE MACRO read_vb_enrolment(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    message_type: 'VARCHAR', region: 'VARCHAR', vb_version: 'VARCHAR', dialog_id: 'VARCHAR',
    session_id: 'VARCHAR', origin: 'VARCHAR', group_name: 'VARCHAR', profile_id: 'VARCHAR',
    enrolled_user: 'STRUCT(user_id VARCHAR, organization_name VARCHAR, user_creation_ts BIGINT,
        opted_out BOOLEAN, optout_ts BIGINT, optin_ts BIGINT)',
    biokeys: 'STRUCT("key" VARCHAR, "value" JSON)[]',
    voiceprint: 'STRUCT(voiceprint_id BIGINT, creation_ts BIGINT, extractor_version VARCHAR,
        method VARCHAR, model VARCHAR, plda_version VARCHAR, speech_frames BIGINT,
        sw_version VARCHAR, vp_fail BOOLEAN, vp_fail_reason VARCHAR)'
}) WHERE message_type = 'vb_enrolment';

-- The fields of vb_verification and audit records are not public. The columns are a guess: time and
-- fields that other types have. The column record contains the whole record.
CREATE OR REPLACE MACRO read_vb_verification(files) AS TABLE
SELECT json ->> '$.message_type' AS message_type, json ->> '$.region' AS region,
    json ->> '$.vb_version' AS vb_version, json ->> '$.dialog_id' AS dialog_id,
    json ->> '$.session_id' AS session_id, json ->> '$.origin' AS origin,
    json ->> '$.group_name' AS group_name, json ->> '$.profile_id' AS profile_id,
    try_cast(json ->> '$.time' AS BIGINT) AS "time", json AS record, filename
FROM read_ndjson_objects(files, filename = true) WHERE json ->> '$.message_type' = 'vb_verification';

CREATE OR REPLACE MACRO read_audit(files) AS TABLE
SELECT json ->> '$.message_type' AS message_type, json ->> '$.id' AS id,
    json ->> '$.group_name' AS group_name, json ->> '$.session_id' AS session_id,
    try_cast(json ->> '$.time' AS BIGINT) AS "time", json AS record, filename
FROM read_ndjson_objects(files, filename = true) WHERE json ->> '$.message_type' = 'audit';

-- Records without a type, or of a type without a table.
CREATE OR REPLACE MACRO read_other_records(files) AS TABLE
SELECT json ->> '$.message_type' AS message_type, json AS record, filename
FROM read_ndjson_objects(files, filename = true)
WHERE coalesce(json ->> '$.message_type', '') NOT IN ('dialog_start', 'dialog_step', 'dialog_end',
    'vb_enrolment', 'vb_verification', 'audit');

-- Recordings: the lines of unzip-jsonl --wav-dir. "group" is the first part of the
-- file's name. The vendor calls it groupId and does not say which id it is: the
-- OCP group, or the "group" that the dialogs of one call share.
CREATE OR REPLACE MACRO read_recordings(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    path: 'VARCHAR', bytes: 'BIGINT', sha256: 'VARCHAR', "group": 'VARCHAR', account: 'VARCHAR',
    "timestamp": 'VARCHAR', dialog_id: 'VARCHAR', source: 'VARCHAR', member: 'VARCHAR'
}) WHERE path IS NOT NULL AND sha256 IS NOT NULL;

-- Voicegain: calls. Times are UTC. -------------------------------------------

CREATE OR REPLACE MACRO read_calls(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    callId: 'BIGINT', accountId: 'VARCHAR', contextId: 'VARCHAR', "version": 'BIGINT',
    startTime: 'TIMESTAMP', endTime: 'TIMESTAMP', duration: 'BIGINT', expiryTime: 'TIMESTAMP',
    lastRecomputeTime: 'TIMESTAMP', progressPhase: 'VARCHAR', recomputePhase: 'VARCHAR',
    abandoned: 'BOOLEAN', queueWaitMs: 'BIGINT', direction: 'VARCHAR', externalEndpoint: 'VARCHAR',
    internalEndpoint: 'VARCHAR', whoHungUp: 'VARCHAR', team: 'VARCHAR', "language": 'VARCHAR',
    agent: 'STRUCT(agentId VARCHAR, email VARCHAR, name VARCHAR, userId VARCHAR, channel VARCHAR)',
    queue: 'STRUCT(queueId VARCHAR, name VARCHAR)', callCenterCallId: 'VARCHAR',
    originatingCallId: 'VARCHAR', spawnedCalls: 'VARCHAR[]', recording: 'VARCHAR',
    mergedAudioId: 'VARCHAR', numAudioChannels: 'BIGINT', numSpkChannels: 'BIGINT',
    voicemailUuid: 'VARCHAR', voicemailDuration: 'DOUBLE', voicemailTranscript: 'VARCHAR',
    inboundRtpQuality: 'JSON', outboundRtpQuality: 'JSON', saSessionId: 'VARCHAR',
    sentiment: 'DOUBLE', sentiments: 'JSON', keywords: 'VARCHAR[]', topics: 'VARCHAR[]',
    wordCloud: 'STRUCT(phrase VARCHAR, freq BIGINT)[]', incidents: 'BIGINT', notes: 'VARCHAR',
    tags: 'VARCHAR[]', csat: 'DOUBLE', nps: 'DOUBLE', callResolved: 'BOOLEAN', score: 'DOUBLE',
    crAnswersId: 'VARCHAR', ciAnswersId: 'VARCHAR', reviewStatus: 'VARCHAR', reviewNotes: 'VARCHAR',
    modifiableNote: 'VARCHAR', auditStatus: 'VARCHAR', aivrAppId: 'VARCHAR',
    aivrSessionId: 'VARCHAR', aivrPlatform: 'VARCHAR', aivrTransferDestType: 'VARCHAR',
    aivrVars: 'JSON', voicebotVars: 'JSON', voicebotDuration: 'DOUBLE', businessOpenState: 'VARCHAR',
    copilotSent: 'JSON', copilotUnAck: 'JSON', copilotDisplay: 'JSON',
    markers: 'STRUCT("time" BIGINT, type VARCHAR, note VARCHAR)[]', dtmfEvents: 'JSON',
    dailyRepeatCalls: 'BIGINT', numSegments: 'BIGINT', segments: 'JSON'
});

-- Dialpad: messages. Ids are text, because 12.10 is not 12.1. ----------------

CREATE OR REPLACE MACRO read_messages(files) AS TABLE
SELECT * FROM read_json(files, format = 'newline_delimited', filename = true, columns = {
    customersessionid: 'JSON', sessionid: 'JSON', ts: 'BIGINT', "timestamp": 'VARCHAR',
    "text": 'VARCHAR', sendername: 'VARCHAR', senderemail: 'VARCHAR', sendertype: 'VARCHAR',
    sentiment: 'DOUBLE', workflow: 'VARCHAR', workflownodeid: 'VARCHAR', topic: 'VARCHAR',
    score: 'DOUBLE', topmatches: 'JSON', lang: 'VARCHAR', sessionchannel: 'VARCHAR',
    sessionchannelinfo: 'JSON', chattype: 'VARCHAR'
});

-- The keys in some files for which the table of a type has no column. The vendor has added these
-- keys, or only your environment sends them.
CREATE OR REPLACE MACRO undocumented_keys(files, type) AS TABLE
SELECT "key", count(*) AS records
FROM (
    SELECT unnest(json_keys(json)) AS "key"
    FROM read_ndjson_objects(files)
    WHERE coalesce(json ->> '$.message_type', type) = type
)
WHERE "key" NOT IN (SELECT column_name FROM duckdb_columns() WHERE table_name = type)
GROUP BY ALL ORDER BY ALL;

-- Tables, and what is loaded into them ----------------------------------------

-- The files that were loaded, with their size and time at the load. Some file systems store times
-- of change only in whole seconds, so a very new file could change without a new time. Such a file
-- is loaded once more.
CREATE TABLE IF NOT EXISTS loaded_files (
    kind VARCHAR, filename VARCHAR, bytes BIGINT, modified_at TIMESTAMPTZ, loaded_at TIMESTAMPTZ);

SET VARIABLE listed_at = now();
SET VARIABLE any_files = coalesce(getvariable('cdrs'), getvariable('calls'), getvariable('messages'),
    getvariable('recordings'), error('set cdrs, calls, messages or recordings to the files to load'));
CREATE OR REPLACE TEMP TABLE files_now AS
SELECT 'cdrs' AS kind, filename, size AS bytes, last_modified AS modified_at
FROM read_blob(coalesce(getvariable('cdrs'), getvariable('any_files'))) WHERE getvariable('cdrs') IS NOT NULL
UNION ALL
SELECT 'recordings' AS kind, filename, size AS bytes, last_modified AS modified_at
FROM read_blob(coalesce(getvariable('recordings'), getvariable('any_files'))) WHERE getvariable('recordings') IS NOT NULL
UNION ALL
SELECT 'calls' AS kind, filename, size AS bytes, last_modified AS modified_at
FROM read_blob(coalesce(getvariable('calls'), getvariable('any_files'))) WHERE getvariable('calls') IS NOT NULL
UNION ALL
SELECT 'messages' AS kind, filename, size AS bytes, last_modified AS modified_at
FROM read_blob(coalesce(getvariable('messages'), getvariable('any_files'))) WHERE getvariable('messages') IS NOT NULL;
CREATE OR REPLACE TEMP TABLE new_files AS
FROM files_now AS f ANTI JOIN loaded_files AS l ON l.kind = f.kind AND l.filename = f.filename
    AND l.bytes = f.bytes AND l.modified_at = f.modified_at
    AND l.modified_at < l.loaded_at - INTERVAL 2 SECOND;

-- Make each table, empty, with the columns of its reader (a macro above). The macro needs a file;
-- with LIMIT 0 any file will do.
SET VARIABLE any_file = (SELECT [min(filename)] FROM files_now);
CREATE TABLE IF NOT EXISTS dialog_start AS FROM read_dialog_start(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS dialog_step AS FROM read_dialog_step(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS dialog_end AS FROM read_dialog_end(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS vb_enrolment AS FROM read_vb_enrolment(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS vb_verification AS FROM read_vb_verification(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS audit AS FROM read_audit(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS other_records AS FROM read_other_records(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS recordings AS FROM read_recordings(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS calls AS FROM read_calls(getvariable('any_file')) LIMIT 0;
CREATE TABLE IF NOT EXISTS messages AS FROM read_messages(getvariable('any_file')) LIMIT 0;

BEGIN;
SET VARIABLE files = (SELECT list(filename ORDER BY filename) FROM new_files WHERE kind = 'cdrs');
SET VARIABLE wanted = getvariable('files') IS NOT NULL;
SET VARIABLE files = coalesce(getvariable('files'), getvariable('any_file'));
DELETE FROM dialog_start WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM dialog_step WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM dialog_end WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM vb_enrolment WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM vb_verification WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM audit WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
DELETE FROM other_records WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'cdrs');
INSERT INTO dialog_start BY NAME FROM read_dialog_start(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO dialog_step BY NAME FROM read_dialog_step(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO dialog_end BY NAME FROM read_dialog_end(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO vb_enrolment BY NAME FROM read_vb_enrolment(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO vb_verification BY NAME FROM read_vb_verification(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO audit BY NAME FROM read_audit(getvariable('files')) WHERE getvariable('wanted');
INSERT INTO other_records BY NAME FROM read_other_records(getvariable('files')) WHERE getvariable('wanted');

SET VARIABLE files = (SELECT list(filename ORDER BY filename) FROM new_files WHERE kind = 'recordings');
SET VARIABLE wanted = getvariable('files') IS NOT NULL;
SET VARIABLE files = coalesce(getvariable('files'), getvariable('any_file'));
DELETE FROM recordings WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'recordings');
INSERT INTO recordings BY NAME FROM read_recordings(getvariable('files')) WHERE getvariable('wanted');

SET VARIABLE files = (SELECT list(filename ORDER BY filename) FROM new_files WHERE kind = 'calls');
SET VARIABLE wanted = getvariable('files') IS NOT NULL;
SET VARIABLE files = coalesce(getvariable('files'), getvariable('any_file'));
DELETE FROM calls WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'calls');
INSERT INTO calls BY NAME FROM read_calls(getvariable('files')) WHERE getvariable('wanted');

SET VARIABLE files = (SELECT list(filename ORDER BY filename) FROM new_files WHERE kind = 'messages');
SET VARIABLE wanted = getvariable('files') IS NOT NULL;
SET VARIABLE files = coalesce(getvariable('files'), getvariable('any_file'));
DELETE FROM messages WHERE filename IN (SELECT filename FROM new_files WHERE kind = 'messages');
INSERT INTO messages BY NAME FROM read_messages(getvariable('files')) WHERE getvariable('wanted');

DELETE FROM loaded_files AS l USING new_files AS n WHERE l.kind = n.kind AND l.filename = n.filename;
INSERT INTO loaded_files SELECT *, getvariable('listed_at') FROM new_files;
COMMIT;

-- The phone number of a Dialpad customer. Messages do not contain it, so you fill this table, for
-- example from a CRM. The key is Dialpad's customersessionid, as text.
CREATE TABLE IF NOT EXISTS customers (customersessionid VARCHAR PRIMARY KEY, line VARCHAR);

-- Views ----------------------------------------------------------------------

-- The last ten digits of a phone number, which may be a SIP URI or in E.164. OCP and Voicegain both
-- send these digits, but put different text before them.
CREATE OR REPLACE MACRO line(uri) AS
    nullif(right(regexp_replace(split_part(uri, '@', 1), '\D', '', 'g'), 10), '');

-- One row for each call: its root dialog. `time` of a dialog_end is the start of the dialog.
CREATE OR REPLACE VIEW dialogs AS
SELECT id AS dialog_id, session_id, coalesce(flow.ocp_group_name, flow.organization) AS ocp_group,
    flow.name AS flow, channel, locale, end_type, exit_point, line(origin_uri) AS caller,
    epoch_ms("time") AS started_at,
    epoch_ms("time" + coalesce(duration, 0)::BIGINT) AS ended_at
FROM dialog_end
WHERE flow.parent_step = 0 AND flow.type = 'Flow';

-- Voice biometrics: who was enrolled or verified, and in which dialog.
CREATE OR REPLACE VIEW voice_biometrics AS
SELECT v.*, d.dialog_id IS NOT NULL AS has_dialog, d.started_at, d.caller
FROM (
    SELECT message_type, dialog_id, session_id, group_name AS ocp_group, origin, profile_id
    FROM vb_enrolment
    UNION ALL
    SELECT message_type, dialog_id, session_id, group_name, origin, profile_id FROM vb_verification
) v LEFT JOIN dialogs d USING (dialog_id);

-- The actions in the console, with their time if the record has "time".
CREATE OR REPLACE VIEW audit_events AS
SELECT epoch_ms("time") AS at, group_name AS ocp_group, id, record FROM audit;

-- Recordings and their dialogs, joined by the dialog's id, so the meaning of "group" does not
-- matter. name_group_is shows which group it is.
CREATE OR REPLACE VIEW dialogs_with_recordings AS
SELECT e.id AS dialog_id, r.path, r.bytes, r."group" AS name_group,
    CASE r."group" WHEN e."group" THEN 'group of the dialogs'
        WHEN coalesce(e.flow.ocp_group_name, e.flow.organization) THEN 'OCP group' END AS name_group_is
FROM recordings r JOIN dialog_end e ON e.id = r.dialog_id;

-- The number of records without a table, by type. Each run of load.sql prints it.
CREATE OR REPLACE VIEW unknown_records AS
SELECT coalesce(message_type, '(none)') AS message_type, count(*) AS records,
    count(DISTINCT filename) AS files
FROM other_records GROUP BY ALL;

-- Joins each Voicegain call to the nearest dialog of the same caller. The call must start between a
-- minute before the dialog's start and ten minutes after its end (the time in a queue).
CREATE OR REPLACE VIEW dialogs_with_calls AS
SELECT d.*, c.callId AS call_id, c.startTime AS call_started_at,
    c.startTime - d.ended_at AS waited, c.agent.name AS agent, c.queue.name AS queue,
    c.duration AS call_seconds, c.sentiment, c.callResolved AS resolved, c.notes
FROM dialogs d JOIN calls c ON line(c.externalEndpoint) = d.caller
    AND c.startTime >= d.started_at - INTERVAL 1 MINUTE
    AND c.startTime < d.ended_at + INTERVAL 10 MINUTE
QUALIFY row_number() OVER (
    PARTITION BY c.callId
    ORDER BY abs(epoch_ms(c.startTime) - epoch_ms(d.ended_at)), d.dialog_id) = 1;

-- One row for each Dialpad session of a customer, with any number of agents.
CREATE OR REPLACE VIEW sessions AS
SELECT customersessionid ->> '$' AS customersessionid, epoch_ms(min(ts)) AS started_at,
    epoch_ms(max(ts)) AS ended_at, count(*) AS messages,
    count(*) FILTER (sendertype = 'customer') AS of_customer,
    count(*) FILTER (sendertype = 'bot') AS of_bot,
    count(*) FILTER (sendertype = 'agent') AS of_agent,
    arg_min(sendername, ts) FILTER (sendertype = 'agent') AS agent,
    arg_min(sessionchannel, ts) AS channel, avg(sentiment) AS sentiment
FROM messages GROUP BY ALL;

-- Every contact of all three systems in one table, with its times. A session without a known
-- customer has no line (phone number).
CREATE OR REPLACE VIEW contacts AS
SELECT 'ocp' AS system, dialog_id AS contact_id, caller AS line, started_at, ended_at, flow AS handled_by
FROM dialogs
UNION ALL
SELECT 'voicegain', callId::VARCHAR, line(externalEndpoint), startTime, endTime, agent.name FROM calls
UNION ALL
SELECT 'dialpad', s.customersessionid, line(c.line), s.started_at, s.ended_at, s.agent
FROM sessions s LEFT JOIN customers c USING (customersessionid);

-- The number of contacts of each system, for each hour (UTC) with a contact.
CREATE OR REPLACE VIEW contacts_by_hour AS
SELECT date_trunc('hour', started_at) AS hour, count(*) FILTER (system = 'ocp') AS dialogs,
    count(*) FILTER (system = 'voicegain') AS calls, count(*) FILTER (system = 'dialpad') AS sessions
FROM contacts GROUP BY ALL;

-- The journey of one person: the contacts of a line in order of time. A journey ends when the line
-- has no contact for a day.
CREATE OR REPLACE VIEW journeys AS
WITH steps AS (
    SELECT *, count(*) FILTER (pause IS NULL OR pause > INTERVAL 1 DAY)
        OVER (PARTITION BY line ORDER BY started_at, system, contact_id) AS journey
    FROM (
        SELECT *, started_at - max(ended_at) OVER (
            PARTITION BY line ORDER BY started_at, system, contact_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS pause
        FROM contacts WHERE line IS NOT NULL
    )
)
SELECT line, min(started_at) AS started_at, max(ended_at) AS ended_at, count(*) AS contacts,
    list(system ORDER BY started_at, system, contact_id) AS systems,
    list(contact_id ORDER BY started_at, system, contact_id) AS contact_ids
FROM steps GROUP BY line, journey;

-- The results of this run.
SELECT kind, if(count(n.filename) = 0, 'nothing new', 'loaded') AS result,
    count(n.filename) AS new_files, count(*) AS files
FROM files_now LEFT JOIN new_files AS n USING (kind, filename) GROUP BY kind ORDER BY kind;

-- The types without a table: empty if every type has a table.
SELECT message_type AS "type without a table", records, 'kept in other_records' AS "where"
FROM unknown_records ORDER BY ALL;
