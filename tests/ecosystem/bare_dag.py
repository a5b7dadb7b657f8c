"""The ways in which Airflow renders a time, and tasks with next to no environment."""

import json
import os
import shutil
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

PLAN = f"{shutil.which('export-plan')} windows --group acme --type audit --format json-array"
WINDOW = f"{shutil.which('export-plan')} windows --group acme --type audit --from -30h --to -29h"
DATA = os.environ["CALLPIPE_DATA"]
# By the name of the task: how an end of the interval is rendered.
ENDS = {
    "space": "{{ data_interval_END }}",
    "letter": "{{ data_interval_END | ts }}",
    "iso": "{{ data_interval_END.isoformat() }}",
    "date": "{{ data_interval_END | ds }}",
}

with DAG(
    "bare",
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
):
    # `env` replaces everything: there is neither a PATH nor a HOME.
    for name, end in ENDS.items():
        BashOperator(
            task_id=name,
            env={"SOME": "thing"},
            bash_command=f"{PLAN} --from '{end.replace('END', 'start')}' --to '{end.replace('END', 'end')}'",
            output_processor=json.loads,
        )
    # With -v it says much on stderr, which is the same stream; the report comes last.
    BashOperator(
        task_id="fetch",
        env={
            "OCP_USERNAME": "{{ conn.ocp.login }}",
            "OCP_PASSWORD": "{{ conn.ocp.password }}",
            "OCP_IAM_URL": "{{ conn.ocp.extra_dejson.iam_url }}",
            "OCP_API_URL": "{{ conn.ocp.extra_dejson.api_url }}",
        },
        bash_command=f"{WINDOW} | {shutil.which('export-fetch')} --out-dir {DATA}/bare"
        f" -o {DATA}/bare.ndjson --report - -v",
        output_processor=json.loads,
    )
