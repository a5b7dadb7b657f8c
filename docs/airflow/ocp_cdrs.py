"""Call detail records of Omilia's OCP, day by day, into DuckDB.

Each OCP group has its own chain of tasks. The first task plans the day as windows. For
each window, tasks submit it, wait for it, download, unpack and load it. No task occupies
a worker while the service works: a sensor asks once, ends, and runs again later.

The DAG needs a connection `ocp` (login, password, and iam_url, realm and api_url as
extra). It needs a pool of one slot for each group (`airflow pools set ocp_acme 1 -`),
a pool `duckdb` of one slot, and CALLPIPE_DATA, a directory that all workers share.
"""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup, task, task_group

GROUPS = ["acme", "acme-qa"]
TYPES = "--type dialog_start --type dialog_end"
DATA = Path(os.environ.get("CALLPIPE_DATA", "/var/lib/callpipe"))
LOAD_SQL = Path(os.environ.get("CALLPIPE_SHARE", "/usr/share/callpipe")) / "load.sql"

# `env` replaces the worker's environment. Airflow inserts the secrets from its connections when the
# task runs, and hides them in its log and on its pages.
LOGIN = {
    "PATH": os.environ["PATH"],
    "XDG_CACHE_HOME": str(DATA / "cache"),
    "OCP_USERNAME": "{{ conn.ocp.login }}",
    "OCP_PASSWORD": "{{ conn.ocp.password }}",
    "OCP_IAM_URL": "{{ conn.ocp.extra_dejson.iam_url }}",
    "OCP_REALM": "{{ conn.ocp.extra_dejson.realm }}",
    "OCP_API_URL": "{{ conn.ocp.extra_dejson.api_url }}",
}


def named(plan):
    """The windows of a plan, each with a name for its files."""
    return [
        {"window": json.dumps(w), "name": f"{w['from']}_{w['to']}"} for w in json.loads(plan)
    ]


def fetch(until, options=""):
    """The command that runs export-fetch up to the step `until`. Its only output is the report, so no
    record gets into a log."""
    return (
        f'export-fetch --out-dir "$DIR" --until {until} {options} --report - <<< "$WINDOW"'
    )


def chain(group):
    pool = f"ocp_{group}"

    plan = BashOperator(
        task_id="plan",
        env=LOGIN,
        bash_command=f"export-plan windows --group {group} {TYPES} --format json-array "
        "--from '{{ data_interval_start - macros.timedelta(hours=3) }}' "
        "--to '{{ data_interval_end - macros.timedelta(hours=3) }}' --strict --skip-code 99",
        output_processor=named,
    )

    @task_group
    def window(window, name):
        env = LOGIN | {"DIR": str(DATA / group), "WINDOW": window, "NAME": name}

        # 75 is "not yet": this export is not ready, or an earlier export of the group still runs.
        sensor = {
            "env": env,
            "pool": pool,
            "mode": "reschedule",
            "retry_exit_code": 75,
            "poke_interval": 60,
            "timeout": timedelta(hours=12).total_seconds(),
        }
        submit = BashSensor(
            task_id="submit",
            bash_command=fetch("submitted", "--poll-once -o /dev/null"),
            **sensor,
        )
        ready = BashSensor(
            task_id="ready",
            bash_command=fetch("ready", "--poll-once -o /dev/null"),
            **sensor,
        )
        download = BashOperator(
            task_id="download",
            env=env,
            pool=pool,
            # If the window has no record, export-fetch writes no list, and the list of an earlier
            # try stays.
            bash_command='set -eu; mkdir -p "$DIR/lists"; touch "$DIR/lists/$NAME.ndjson"; '
            + fetch("fetched", '-o "$DIR/lists/$NAME.ndjson"'),
            output_processor=json.loads,
        )
        unpack = BashOperator(
            task_id="unpack",
            env=env,
            # Up to 1000 bad records go to a separate file, so a bad record does not stop the
            # others.
            bash_command='set -eu; mkdir -p "$DIR/records" "$DIR/bad"; '
            'unzip-jsonl --rejects "$DIR/bad/$NAME.ndjson" --max-bad 1000 '
            '-o "$DIR/records/$NAME.ndjson" --report - < "$DIR/lists/$NAME.ndjson"',
            output_processor=json.loads,
        )

        # Only one task may write to the database at a time. If a file is loaded again, its records
        # replace those of the first load.
        @task(pool="duckdb")
        def load(name):
            import duckdb

            with duckdb.connect(str(DATA / "calls.duckdb")) as db:
                db.execute(f"SET VARIABLE cdrs = '{DATA / group / 'records' / name}.ndjson'")
                db.execute(LOAD_SQL.read_text())

        submit >> ready >> download >> unpack >> load(name)

    window.expand_kwargs(plan.output)


with DAG(
    dag_id="ocp_cdrs",
    # Do not use "@daily": in Airflow 3 it is a point in time, an interval without length. The DAG
    # runs at three o'clock, because OCP provides the records of an hour two hours after its end.
    # The run plans the previous day.
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:
    for group in GROUPS:
        with TaskGroup(group_id=group):
            chain(group)
