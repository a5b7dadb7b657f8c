"""Dialpad messages, every hour, into DuckDB: only what is new, late ones included.

The state goes on only when the messages are loaded: a run that failed anywhere
is simply run again. It needs a connection `dialpad` (password: the key;
base_url and provider_id as extra), a pool `duckdb` of one slot, and
CALLPIPE_DATA, a directory that all workers share.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

SINCE = "-30d"
DATA = Path(os.environ.get("CALLPIPE_DATA", "/var/lib/callpipe"))
LOAD_SQL = Path(os.environ.get("CALLPIPE_SHARE", "/usr/share/callpipe")) / "load.sql"
ENV = {
    "PATH": os.environ["PATH"],
    "DIR": str(DATA / "dialpad"),
    "DIALPAD_API_KEY": "{{ conn.dialpad.password }}",
    "DIALPAD_BASE_URL": "{{ conn.dialpad.extra_dejson.base_url }}",
    "DIALPAD_PROVIDER_ID": "{{ conn.dialpad.extra_dejson.provider_id }}",
}

with DAG(
    dag_id="dialpad_messages",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:
    # A file has the name of the state that it goes on from, so that a second try writes the same.
    # With a state, --from is where the first run begins, and no other.
    export = BashOperator(
        task_id="export",
        env=ENV,
        bash_command=f"""
            set -eu
            mkdir -p "$DIR/messages"
            dialpad-window --from {SINCE} --state "$DIR/state" --state-out "$DIR/state.next" \\
                -o "$DIR/messages/since-{{state}}.ndjson" --report - --skip-code 99
        """,
        output_processor=json.loads,
    )

    @task(pool="duckdb")
    def load():
        import duckdb

        with duckdb.connect(str(DATA / "calls.duckdb")) as db:
            db.execute(f"SET VARIABLE messages = '{DATA}/dialpad/messages/*.ndjson'")
            db.execute(LOAD_SQL.read_text())

    commit = BashOperator(task_id="commit", env=ENV, bash_command='mv "$DIR/state.next" "$DIR/state"')

    export >> load() >> commit
