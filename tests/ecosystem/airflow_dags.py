"""The DAGs of docs/airflow, run by Airflow against the simulated vendors.

Started by scripts/test-ecosystem in a directory of its own, with the vendors'
settings and the programs in the environment.
"""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = Path.cwd()
DATA = PLACE / "data"
HOME = Path(os.environ["AIRFLOW_HOME"])
API = os.environ["OCP_API_URL"]
GROUPS = ["acme", "acme-qa"]
TYPES = "dialog_start,dialog_end"

TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
# Run for noon of yesterday, a DAG of days gets the interval that ended yesterday.
NOON, DAY, NEXT = TODAY - timedelta(hours=12), TODAY - timedelta(days=2), TODAY - timedelta(days=1)


def sim(path):
    with urllib.request.urlopen(f"{API}/_sim/{path}") as reply:
        return reply.read().decode()


def truth(group, start, end):
    span = f"from={start:%Y-%m-%dT%H:%M:%SZ}&to={end:%Y-%m-%dT%H:%M:%SZ}"
    return [json.loads(line) for line in sim(f"truth?group={group}&types={TYPES}&{span}").splitlines()]


def stats():
    return json.loads(sim("stats"))


def airflow(*args, status=0, **env):
    done = subprocess.run(["airflow", *args], env=os.environ | env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400)
    LOGS.append(done.stdout)
    assert (done.returncode == 0) == (status == 0), f"airflow {args}: {done.returncode}\n{done.stdout}"
    return done.stdout


def xcoms(dag, task):
    with sqlite3.connect(HOME / "airflow.db") as db:
        rows = db.execute(
            "SELECT value FROM xcom WHERE dag_id = ? AND task_id = ? AND key = 'return_value'"
            " ORDER BY run_id, map_index", [dag, task])
        return [value for (value,) in rows]


def states(dag):
    with sqlite3.connect(HOME / "airflow.db") as db:
        rows = db.execute(
            "SELECT task_id, map_index, state FROM task_instance WHERE dag_id = ? AND run_id ="
            " (SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1)", [dag, dag])
        return {(task, index): state for task, index, state in rows}


def rows(query):
    import duckdb

    with duckdb.connect(str(DATA / "calls.duckdb")) as db:
        return db.execute(query).fetchall()


def changed(text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def set_up():
    dags = PLACE / "dags"
    dags.mkdir()
    source = (ROOT / "docs" / "airflow" / "ocp_cdrs.py").read_text()
    # What waits for minutes waits for a second here, and a day is three windows.
    quick = changed(source, ('"poke_interval": 60', '"poke_interval": 1'), ('"retries": 3', '"retries": 0'),
                    ("--format json-array", "--window 8h --format json-array"))
    (dags / "ocp_cdrs.py").write_text(quick)
    point = re.sub(r"schedule=Cron\w+\(.*\),", 'schedule="@daily",', quick)
    (dags / "ocp_point.py").write_text(changed(point, ('"ocp_cdrs"', '"ocp_point"'), ('schedule="@daily"',) * 2))
    for name in ["bare_dag.py", "killed_dag.py"]:
        shutil.copy(ROOT / "tests" / "ecosystem" / name, dags)
    source = (ROOT / "docs" / "airflow" / "voicegain_calls.py").read_text()
    (dags / "voicegain_calls.py").write_text(changed(source, ('"retries": 3', '"retries": 0')))
    source = (ROOT / "docs" / "airflow" / "ocp_metrics.py").read_text()
    (dags / "ocp_metrics.py").write_text(changed(source, ('"retries": 3', '"retries": 0')))
    source = (ROOT / "docs" / "airflow" / "dialpad_messages.py").read_text()
    quick = changed(source, ('"retries": 3', '"retries": 0'), ('SINCE = "-30d"', f'SINCE = "{DAY:%Y-%m-%d}"'))
    (dags / "dialpad_messages.py").write_text(quick)
    os.environ.update(
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        CALLPIPE_DATA=str(DATA),
    )
    DATA.mkdir()
    page = (ROOT / "docs" / "airflow.md").read_text()
    (connections,) = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)
    connections = json.loads(connections)
    secrets = fill_in(connections)
    (PLACE / "connections.json").write_text(json.dumps(connections))
    for line in re.findall(r"^airflow (?:db|connections|pools) .*$", page, re.M):
        subprocess.run(["bash", "-euc", line], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert not (PLACE / "connections.json").exists()
    return secrets


def fill_in(connections):
    """The vendors' settings go into the connections, and out of the environment."""
    ocp, voicegain, dialpad = (connections[name] for name in ["ocp", "voicegain", "dialpad"])
    take = os.environ.pop
    ocp |= {"login": take("OCP_USERNAME"), "password": take("OCP_PASSWORD")}
    ocp["extra_dejson"] |= {"iam_url": take("OCP_IAM_URL"), "api_url": take("OCP_API_URL")}
    voicegain["password"] = take("VOICEGAIN_TOKEN")
    voicegain["extra_dejson"]["base_url"] = take("VOICEGAIN_BASE_URL")
    dialpad["password"] = take("DIALPAD_API_KEY")
    dialpad["extra_dejson"] |= {
        "base_url": take("DIALPAD_BASE_URL"), "provider_id": take("DIALPAD_PROVIDER_ID")}
    DIALPAD.update(DIALPAD_API_KEY=dialpad["password"], DIALPAD_BASE_URL=API, DIALPAD_PROVIDER_ID="1020")
    return [ocp["password"], voicegain["password"], dialpad["password"]]


def a_day_is_planned_mapped_fetched_and_loaded():
    log = airflow("dags", "test", "ocp_cdrs", NOON.isoformat())
    assert "state=success" in log.splitlines()[-1], log
    expected = [record for group in GROUPS for record in truth(group, DAY, NEXT)]
    loaded = rows("SELECT id FROM dialog_end UNION ALL SELECT id FROM dialog_start")
    assert sorted(r["id"] for r in expected) == sorted(id for (id,) in loaded)
    assert len(expected) == 2 * 2 * 24 * 20
    # Each window was submitted once, and waiting gave the worker back.
    assert stats()["creates_accepted"] == 6 and stats()["exports"] == 6, stats()
    assert log.count("up_for_reschedule") > 0, "no sensor was rescheduled"
    assert "Return code matches retry code" in log
    # What a task hands on is the plan, or the report of one run.
    (plan,) = xcoms("ocp_cdrs", "acme.plan")
    assert len(json.loads(plan)) == 3, plan
    reports = [json.loads(value) for value in xcoms("ocp_cdrs", "acme.window.download")]
    assert [r["program"] for r in reports] == ["export-fetch"] * 3
    assert [r["status"] for r in reports] == [0] * 3
    unpacked = [json.loads(value) for value in xcoms("ocp_cdrs", "acme.window.unpack")]
    assert sum(r["lines"] for r in unpacked) == 2 * 24 * 20


def the_same_day_again_doubles_nothing():
    before = rows("SELECT count(*) FROM dialog_end")
    airflow("dags", "test", "ocp_cdrs", NOON.isoformat())
    assert rows("SELECT count(*) FROM dialog_end") == before
    assert stats()["creates_accepted"] == 6, "what was had was asked for again"


def an_interval_of_no_length_fails():
    log = airflow("dags", "test", "ocp_point", NOON.isoformat(), status=1)
    assert "the range is empty" in log, log
    assert states("ocp_point")[("acme.plan", -1)] == "failed"


def no_interval_at_all_fails():
    # A run without a logical date has none: so a run that is triggered by hand may be.
    code = "import sys; sys.path.insert(0, 'dags'); from ocp_cdrs import dag; r = dag.test(logical_date=None)\n"
    code += "sys.exit(0 if r.state == 'success' else 1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=400)
    LOGS.append(done.stdout + done.stderr)
    assert done.returncode != 0
    assert "data_interval_start" in LOGS[-1] or "the time is empty" in LOGS[-1], LOGS[-1]
    assert stats()["creates_accepted"] == 6, "it guessed an interval"


def each_rendering_is_a_time_and_env_may_be_bare():
    log = airflow("dags", "test", "bare", NOON.isoformat())
    plans = [json.loads(*xcoms("bare", task)) for task in ["space", "letter", "iso", "date"]]
    assert plans[0] == plans[1] == plans[2] and len(plans[0]) == 1, plans
    assert plans[0][0]["from"].endswith("T03:00:00Z") and plans[3][0]["from"].endswith("T00:00:00Z"), plans
    # The messages of stderr came before the report, in the same stream.
    said = [line for line in log.splitlines() if "export-fetch" in line]
    assert any("] export-fetch: " in line for line in said[:-1]), said
    assert '"program":"export-fetch"' in said[-1], said
    (report,) = xcoms("bare", "fetch")
    assert json.loads(report)["status"] == 0, report


@contextmanager
def whole_airflow():
    """Scheduler, API and executor; yields a function that calls the API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(32).hex(),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }

    def call(method, path, body=None, headers={}):
        data = None if body is None else json.dumps(body).encode()
        headers = headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or "null")

    with open(PLACE / "standalone.log", "wb") as out:
        all_of_it = subprocess.Popen(["airflow", "standalone"], env=env, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until(lambda: "metadatabase" in call("GET", "/api/v2/monitor/health"), 120)
        token = call("GET", "/auth/token")["access_token"]
        api = lambda method, path, body=None: call(
            method, "/api/v2/dags/killed" + path, body, {"Authorization": f"Bearer {token}"})
        until(lambda: api("GET", "")["dag_id"] == "killed", 60)
        yield api
    finally:
        os.killpg(all_of_it.pid, signal.SIGTERM)
        try:
            all_of_it.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(all_of_it.pid, signal.SIGKILL)
            all_of_it.wait()


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


def a_killed_task_goes_on_where_it_was():
    place = DATA / "killed"
    place.mkdir()
    plan = subprocess.run(
        ["export-plan", "windows", "--group", "acme", "--type", "vb_enrolment", "--window", "1h",
         "--from", "-30h", "--to", "-27h"], capture_output=True, check=True).stdout
    (place / "plan").write_bytes(plan)
    windows, before = len(plan.splitlines()), stats()["creates_accepted"]
    with whole_airflow() as api:
        run = "/dagRuns/" + api("POST", "/dagRuns", {"logical_date": None})["dag_run_id"]
        until(lambda: stats()["creates_accepted"] > before, 90)
        # Somebody marks it as failed: the worker hears of it with its next heartbeat.
        api("PATCH", f"{run}/taskInstances/fetch", {"new_state": "failed"})
        logs = HOME / "logs" / "dag_id=killed"
        log = lambda: "".join(p.read_text() for p in logs.rglob("*.log"))
        until(lambda: "terminated: run the same command again" in log(), 10)
        assert not (place / "list.ndjson").exists(), "it was done before it was killed"
        assert (place / "ledger.ndjson").exists()
        api("POST", "/clearTaskInstances", {
            "dry_run": False, "dag_run_id": run.rsplit("/", 1)[1], "task_ids": ["fetch"],
            "only_failed": True, "reset_dag_runs": True})
        until(lambda: api("GET", f"{run}/taskInstances/fetch")["state"] == "success", 90)
    assert stats()["creates_accepted"] == before + windows, "an export was asked for twice"
    lines = [json.loads(line) for line in (place / "list.ndjson").read_text().splitlines()]
    assert len({line["export_id"] for line in lines}) == windows, lines
    (report,) = xcoms("killed", "fetch")
    assert json.loads(report)["status"] == 0, report


def only_new_calls_and_only_what_was_loaded():
    airflow("dags", "test", "voicegain_calls", status=1, CALLPIPE_SHARE="/nonexistent")
    assert not (DATA / "voicegain" / "state").exists(), "committed what was not loaded"
    airflow("dags", "test", "voicegain_calls")
    assert rows("SELECT count(*), count(DISTINCT callId) FROM calls") == [(40, 40)]
    reports = [json.loads(value) for value in xcoms("voicegain_calls", "export")]
    assert all((r["program"], r["status"]) == ("vg-consecutive", 0) for r in reports), reports
    airflow("dags", "test", "voicegain_calls")
    assert set(states("voicegain_calls").values()) == {"skipped"}, states("voicegain_calls")
    assert rows("SELECT count(*) FROM calls") == [(40,)]


def metrics_are_kept_once():
    airflow("dags", "test", "ocp_metrics")
    assert set(states("ocp_metrics").values()) == {"success"}, states("ocp_metrics")
    (first,) = (DATA / "metrics" / "batch").iterdir()
    before = first.read_bytes()
    airflow("dags", "test", "ocp_metrics")
    # The warehouse has nothing new within the hour, and the first file is left as it is.
    ended = states("ocp_metrics")
    assert ended[("batch", -1)] == "skipped" and ended[("realtime", -1)] in ("success", "skipped"), ended
    assert first.read_bytes() == before
    import duckdb

    db = duckdb.connect()
    db.execute((ROOT / "scripts" / "metrics.sql").read_text())
    kept = db.execute(f"""SELECT source, "group", count(*) > 0 FROM metrics('{DATA}/metrics/*/*.ndjson')
                          GROUP BY ALL ORDER BY ALL""").fetchall()
    assert kept == [(source, group, True) for source in ("batch", "realtime") for group in GROUPS], kept


def only_new_messages_and_only_what_was_loaded():
    airflow("dags", "test", "dialpad_messages", status=1, CALLPIPE_SHARE="/nonexistent")
    assert not (DATA / "dialpad" / "state").exists(), "committed what was not loaded"
    airflow("dags", "test", "dialpad_messages")
    all_of_them = subprocess.run(
        ["dialpad-window", "--from", f"{DAY:%Y-%m-%d}", "--rate", "50/1s"],
        env=os.environ | DIALPAD, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    times = sorted(json.loads(line)["ts"] for line in all_of_them)
    assert len(times) > 20
    assert [ts for (ts,) in rows("SELECT ts FROM messages ORDER BY ts")] == times
    reports = [json.loads(value) for value in xcoms("dialpad_messages", "export")]
    assert all((r["program"], r["status"]) == ("dialpad-window", 0) for r in reports), reports
    airflow("dags", "test", "dialpad_messages")
    assert set(states("dialpad_messages").values()) == {"skipped"}, states("dialpad_messages")
    assert rows("SELECT count(*) FROM messages") == [(len(times),)]


def no_secret_and_no_record_is_in_any_log(secrets):
    cached = [p.read_text() for p in (DATA / "cache").rglob("*") if p.is_file()]
    tokens = re.findall(r'"(?:access|refresh)_token":\s*"([^"]+)"', "".join(cached))
    assert tokens, "where are the tokens?"
    record = truth("acme", DAY, NEXT)[0]
    forbidden = [s for s in [*secrets, *tokens] if s]
    forbidden += [record["id"], record["origin_uri"], record["session_id"], "externalEndpoint"]
    forbidden += ["sendertype", "****NUMERIC****"]
    files = [p for p in HOME.rglob("*") if p.is_file()] + [PLACE / "standalone.log"]
    assert any(p.name.startswith("airflow.db") for p in files)
    for name, text in [(p, p.read_bytes()) for p in files] + [("output", t.encode()) for t in LOGS]:
        for word in forbidden:
            assert word.encode() not in text, f"{name} shows {word[:6]}…"


LOGS = []
DIALPAD = {}


def main():
    secrets = set_up()
    tests = [
        a_day_is_planned_mapped_fetched_and_loaded,
        the_same_day_again_doubles_nothing,
        an_interval_of_no_length_fails,
        no_interval_at_all_fails,
        each_rendering_is_a_time_and_env_may_be_bare,
        only_new_calls_and_only_what_was_loaded,
        only_new_messages_and_only_what_was_loaded,
        metrics_are_kept_once,
        a_killed_task_goes_on_where_it_was,
    ]
    for test in tests:
        timed(test)
    timed(no_secret_and_no_record_is_in_any_log, secrets)


def timed(test, *args):
    started = time.monotonic()
    test(*args)
    print(f"  {test.__name__}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
