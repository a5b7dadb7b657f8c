"""Exports OCP's records, Voicegain's calls and Dialpad's messages into a bucket, by workers
that share only this bucket.

Airflow makes a directory for each task, and deletes it when the task ends. Everything that
must stay is in the bucket: states, ledgers, ZIPs, and the records as NDJSON (OCP's records
by type, date and hour). If a task is killed, it runs again, perhaps on another worker, and
replaces the file that the killed task began. A task that was frozen meanwhile replaces
no file.

The DAGs need the connections `ocp`, `voicegain` and `dialpad`, a pool of one slot for each
group (`airflow pools set ocp_acme 1 -`), CALLPIPE_BUCKET (the name of the bucket), and the
`aws` program. The credentials of the bucket come from the worker's role, or from the file
that AWS_SHARED_CREDENTIALS_FILE names.
"""

import json
import os
from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup, task_group

GROUPS = ["acme", "acme-qa"]
TYPES = "--type dialog_start --type dialog_end"
SINCE = "-30d"

# `env` replaces the worker's environment, and Airflow stores it in its database. These variables
# say where the bucket is and who the worker is; none of them is a secret.
WORKER = [
    "PATH", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SHARED_CREDENTIALS_FILE", "AWS_PROFILE",
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
]
ENV = {name: os.environ[name] for name in WORKER if name in os.environ}
ENV["BUCKET"] = "s3://" + os.environ.get("CALLPIPE_BUCKET", "callpipe")
OCP = ENV | {
    "OCP_USERNAME": "{{ conn.ocp.login }}",
    "OCP_PASSWORD": "{{ conn.ocp.password }}",
    "OCP_IAM_URL": "{{ conn.ocp.extra_dejson.iam_url }}",
    "OCP_REALM": "{{ conn.ocp.extra_dejson.realm }}",
    "OCP_API_URL": "{{ conn.ocp.extra_dejson.api_url }}",
}
VOICEGAIN = ENV | {
    "VOICEGAIN_TOKEN": "{{ conn.voicegain.password }}",
    "VOICEGAIN_BASE_URL": "{{ conn.voicegain.extra_dejson.base_url }}",
}
DIALPAD = ENV | {
    "DIALPAD_API_KEY": "{{ conn.dialpad.password }}",
    "DIALPAD_BASE_URL": "{{ conn.dialpad.extra_dejson.base_url }}",
    "DIALPAD_PROVIDER_ID": "{{ conn.dialpad.extra_dejson.provider_id }}",
}

# After a run was killed, its lease (a lock) expires in two minutes. So the next try must wait for
# more than two minutes.
RETRIES = {"retries": 6, "retry_delay": timedelta(minutes=5)}


def named(plan):
    """The windows of a plan, each with a name for its file."""
    return [
        {"window": json.dumps(w), "name": f"{w['from']}_{w['to']}"} for w in json.loads(plan)
    ]


def chain(group):
    plan = BashOperator(
        task_id="plan",
        env=OCP,
        bash_command=f"export-plan windows --group {group} {TYPES} --format json-array "
        "--from '{{ data_interval_start - macros.timedelta(hours=3) }}' "
        "--to '{{ data_interval_end - macros.timedelta(hours=3) }}' --strict --skip-code 99",
        output_processor=named,
    )

    @task_group
    def window(window, name):
        env = OCP | {"GROUP": group, "WINDOW": window, "NAME": name}

        # 75 is "not yet": the export is not ready, or another run holds the ledger.
        def sensor(until):
            return BashSensor(
                task_id=until,
                env=env,
                pool=f"ocp_{group}",
                mode="reschedule",
                retry_exit_code=75,
                poke_interval=60,
                timeout=timedelta(hours=12).total_seconds(),
                bash_command='export-fetch --out-dir "$BUCKET/ocp/$GROUP" '
                f'--until {until} --poll-once -o /dev/null --report - <<< "$WINDOW"',
            )

        # The ledger knows the ZIPs in the bucket: a second try prints the lines of these ZIPs
        # again, but does not download the ZIPs again. The list of a window's files appears when
        # all these files are in the bucket. There is no pipe: a frozen worker may continue after
        # the second try, and if its export-fetch then fails, unzip-jsonl at the end of the pipe
        # would take a part of the lines for all of them.
        fetch = BashOperator(
            task_id="fetch",
            env=env,
            pool=f"ocp_{group}",
            bash_command="""
                set -euo pipefail
                export-fetch --out-dir "$BUCKET/ocp/$GROUP" <<< "$WINDOW" > zips.ndjson
                unzip-jsonl --layout duckdb --out-dir "$BUCKET/ocp/$GROUP/lake" \\
                    -o "$BUCKET/ocp/$GROUP/files/$NAME.ndjson" \\
                    --rejects bad.ndjson --max-bad 1000 --report report.json < zips.ndjson
                [ ! -s bad.ndjson ] || aws s3 cp --quiet bad.ndjson "$BUCKET/ocp/$GROUP/bad/$NAME.ndjson"
                cat report.json
            """,
            output_processor=json.loads,
        )
        sensor("submitted") >> sensor("ready") >> fetch

    window.expand_kwargs(plan.output)


def new_records(program, directory):
    """The command that exports the records since the last run. The program writes the state when the
    records are in the bucket. The name of their object contains the state that the run continues
    from, so a second try writes the same object."""
    return (
        f'{program} --state "$BUCKET/{directory}/state/last" '
        f'-o "$BUCKET/{directory}/records/since-{{state}}.ndjson" --report - --skip-code 99'
    )


with DAG(
    dag_id="ocp_cdrs_in_a_bucket",
    # Do not use "@daily": in Airflow 3 it is a point in time, an interval without length. The DAG
    # runs at three o'clock, because OCP provides the records of an hour two hours after its end.
    # The run plans the previous day.
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args=RETRIES,
) as ocp:
    for group in GROUPS:
        with TaskGroup(group_id=group):
            chain(group)

with DAG(
    dag_id="voicegain_calls_in_a_bucket",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
) as voicegain:
    BashOperator(
        task_id="export",
        env=VOICEGAIN,
        bash_command=new_records("vg-consecutive", "voicegain"),
        output_processor=json.loads,
    )

with DAG(
    dag_id="dialpad_messages_in_a_bucket",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
) as dialpad:
    BashOperator(
        task_id="export",
        env=DIALPAD,
        bash_command=new_records(f"dialpad-window --from {SINCE}", "dialpad"),
        output_processor=json.loads,
    )
