"""Exports the counts of OCP's Metrics API every hour, to files for DuckDB.

The figures of the warehouse (kept for 720 days) and the five-minute figures (48 hours) have
one state each. A state changes only when the file of the run is on disk under its name. So
if a run fails at any step, run it again: it requests everything that is missing. The DAG
needs the connection `ocp` of ocp_cdrs.py and CALLPIPE_DATA, a directory that all workers
share.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

GROUPS = ["acme", "acme-qa"]
FIRST = "-30d"
DATA = Path(os.environ.get("CALLPIPE_DATA", "/var/lib/callpipe"))
ENV = {
    "PATH": os.environ["PATH"],
    "XDG_CACHE_HOME": str(DATA / "cache"),
    "DIR": str(DATA / "metrics"),
    "OCP_USERNAME": "{{ conn.ocp.login }}",
    "OCP_PASSWORD": "{{ conn.ocp.password }}",
    "OCP_IAM_URL": "{{ conn.ocp.extra_dejson.iam_url }}",
    "OCP_REALM": "{{ conn.ocp.extra_dejson.realm }}",
    "OCP_API_URL": "{{ conn.ocp.extra_dejson.api_url }}",
}
ASKED = " ".join(f"--group {group}" for group in GROUPS)

with DAG(
    dag_id="ocp_metrics",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:
    # The name of a file contains the state that the run continues from, so a second try writes the
    # same file. The program writes the file first and then the state.
    for source, first in [("batch", f"--from {FIRST}"), ("realtime", "")]:
        BashOperator(
            task_id=source,
            env=ENV | {"SOURCE": source},
            bash_command=f"""
                set -eu
                mkdir -p "$DIR/$SOURCE"
                ocp-metrics {source} all {ASKED} {first} --state "$DIR/$SOURCE.state" \\
                    -o "$DIR/$SOURCE/since-{{state}}.ndjson" --report - --skip-code 99
            """,
            output_processor=json.loads,
        )
