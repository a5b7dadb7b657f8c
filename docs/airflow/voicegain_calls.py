"""Loads Voicegain's new calls into DuckDB every hour, each call once.

The state changes only after the calls are loaded. So if a run fails at any step, run it
again. The DAG needs a connection `voicegain` (password: the token; base_url as extra), a
pool `duckdb` of one slot, and CALLPIPE_DATA, a directory that all workers share.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

DATA = Path(os.environ.get("CALLPIPE_DATA", "/var/lib/callpipe"))
LOAD_SQL = Path(os.environ.get("CALLPIPE_SHARE", "/usr/share/callpipe")) / "load.sql"
ENV = {
    "PATH": os.environ["PATH"],
    "DIR": str(DATA / "voicegain"),
    "VOICEGAIN_TOKEN": "{{ conn.voicegain.password }}",
    "VOICEGAIN_BASE_URL": "{{ conn.voicegain.extra_dejson.base_url }}",
}

with DAG(
    dag_id="voicegain_calls",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:
    # The name of a file contains the state that the run continues from, so a second try writes the
    # same file.
    export = BashOperator(
        task_id="export",
        env=ENV,
        bash_command="""
            set -eu
            mkdir -p "$DIR/calls"
            vg-consecutive --state "$DIR/state" --state-out "$DIR/state.next" \\
                -o "$DIR/calls/since-{state}.ndjson" --report - --skip-code 99
        """,
        output_processor=json.loads,
    )

    @task(pool="duckdb")
    def load():
        import duckdb

        with duckdb.connect(str(DATA / "calls.duckdb")) as db:
            db.execute(f"SET VARIABLE calls = '{DATA}/voicegain/calls/*.ndjson'")
            db.execute(LOAD_SQL.read_text())

    commit = BashOperator(task_id="commit", env=ENV, bash_command='mv "$DIR/state.next" "$DIR/state"')

    export >> load() >> commit
