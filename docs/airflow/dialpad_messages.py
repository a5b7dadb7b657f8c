"""Loads Dialpad's new messages into DuckDB every hour, with messages that came late.

The state changes only after the messages are loaded. So if a run fails at any step, run it
again. The DAG needs a connection `dialpad` (password: the key; base_url and provider_id as
extra), a pool `duckdb` of one slot, and CALLPIPE_DATA, a directory that all workers share.
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
    # The name of a file contains the state that the run continues from, so a second try writes the
    # same file. With --state, only the first run uses --from.
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
