"""A task that is killed while it runs, and then run again."""

import json
import os
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("killed", schedule=None, start_date=datetime(2026, 1, 1), is_paused_upon_creation=False):
    BashOperator(
        task_id="fetch",
        append_env=True,
        env={
            "OCP_USERNAME": "{{ conn.ocp.login }}",
            "OCP_PASSWORD": "{{ conn.ocp.password }}",
            "OCP_IAM_URL": "{{ conn.ocp.extra_dejson.iam_url }}",
            "OCP_API_URL": "{{ conn.ocp.extra_dejson.api_url }}",
            "DIR": os.environ["CALLPIPE_DATA"] + "/killed",
        },
        bash_command='export-fetch --out-dir "$DIR" -o "$DIR/list.ndjson" --report - < "$DIR/plan"',
        output_processor=json.loads,
    )
