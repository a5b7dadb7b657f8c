"""Call detail records of Omilia's OCP, day by day, into DuckDB.

Each OCP group has a chain of its own: the day is planned as windows, and each
window is submitted, waited for, downloaded, unpacked and loaded. Nothing of it
holds a worker while the service works: the sensors ask once and come back.

It needs a connection `ocp` (login, password, and iam_url, realm and api_url as
extra), a pool of one slot for each group (`airflow pools set ocp_acme 1 -`) and
one called `duckdb`, and CALLPIPE_DATA, a directory that all workers share.
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

# `env` replaces the worker's environment. The secrets are Airflow's: it fills
# them in when the task runs and masks them wherever it shows them.
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
    """As far as `until`, with the report as the only output: a record never gets into a log."""
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

        # 75 is "not yet": the group's export before this one still runs, or this one does.
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
            # Without a record, export-fetch writes no list; an older list stays.
            bash_command='set -eu; mkdir -p "$DIR/lists"; touch "$DIR/lists/$NAME.ndjson"; '
            + fetch("fetched", '-o "$DIR/lists/$NAME.ndjson"'),
            output_processor=json.loads,
        )
        unpack = BashOperator(
            task_id="unpack",
            env=env,
            # Up to 1000 bad records are set aside, so that one holds back none of the others.
            bash_command='set -eu; mkdir -p "$DIR/records" "$DIR/bad"; '
            'unzip-jsonl --rejects "$DIR/bad/$NAME.ndjson" --max-bad 1000 '
            '-o "$DIR/records/$NAME.ndjson" --report - < "$DIR/lists/$NAME.ndjson"',
            output_processor=json.loads,
        )

        # One writer at a time. A file that is loaded again replaces what it had given.
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
    # Not "@daily": in Airflow 3 that is a point in time, an interval of no length. At three,
    # because OCP has a day's last hours two hours later; the plan is of the day before.
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
) as dag:
    for group in GROUPS:
        with TaskGroup(group_id=group):
            chain(group)
