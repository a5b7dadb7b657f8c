"""The DAGs of docs/airflow/in_a_bucket.py, run by workers that share nothing but a bucket and
are killed and frozen at random.

    workers.py SEED...      the commands of the DAGs, run by the scheduler below: kill -9 or SIGSTOP at
                            a moment or at a request to the bucket, each try in an empty directory.
                            A frozen try counts as failed, and goes on when other tries have ended
    workers.py airflow      the same DAGs, run once by Airflow, whose tasks are killed

Started by scripts/test-ecosystem in a directory of its own, with the vendors' settings and the
programs in the environment, in Airflow's Python; AWS_PYTHON is that of the `aws` command. S3S_FS is
a server that speaks S3 and checks signatures; each worker reaches it through a proxy, which knows
when to kill and what time it is.
"""

import collections
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = Path.cwd()
GROUPS = ["acme", "acme-qa"]
BUCKET = "callpipe"
KEY, SECRET = "AKWORKERS", "the-secret-of-the-bucket"
WORKERS = 2
# A task may be killed or frozen this often; its other retries are for leases of those.
FAULTS = 3

TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
DAY, NEXT = TODAY - timedelta(days=2), TODAY - timedelta(days=1)


# The bucket -----------------------------------------------------------------


class Clock:
    """The service's clock, which goes faster than ours: nobody waits for a lease here."""

    def __init__(self):
        self.ahead = timedelta()
        self.lock = threading.Lock()

    def wait(self, time):
        with self.lock:
            self.ahead += time

    def now(self):
        return datetime.now(timezone.utc) + self.ahead


BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Forward(BaseHTTPRequestHandler):
    """Passes a request on to the server, which is busy now and then; or lets the fault of a try
    happen, before the request or before its reply."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        proxy = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with proxy.lock:
            proxy.count += 1
            fault = proxy.trap if proxy.trap and proxy.trap.at == proxy.count else None
        if fault and fault.is_before:
            fault.now()
            if not fault.freezes:
                self.close_connection = True
                return
            # As if it had been frozen before it sent this.
            fault.thawed.wait()
        if self.server.chance.random() < 0.02:
            return self.reply(503, [], b"" if self.command == "HEAD" else BUSY, None)
        connection = HTTPConnection("127.0.0.1", proxy.behind, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        content = reply.read()
        if fault and not fault.is_before:
            fault.now()
        connection.close()
        length = reply.getheader("Content-Length") if self.command == "HEAD" else None
        self.reply(reply.status, reply.getheaders(), content, length)

    def reply(self, status, headers, content, length):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("date", "connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", length or len(content))
        self.send_header("Date", format_datetime(self.server.clock.now(), usegmt=True))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def log_message(self, *args):
        pass


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind, clock, trap=None, seed=0):
        super().__init__(("127.0.0.1", 0), Forward)
        self.behind, self.clock, self.lock = behind, clock, threading.Lock()
        self.count, self.trap, self.chance = 0, trap, random.Random(seed)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, address):
        """The client was killed."""


@contextmanager
def quick_aws(place):
    """Puts an `aws` on the search path that starts quickly."""
    (place / "bin").mkdir()
    command = [os.environ["AWS_PYTHON"], ROOT / "tests" / "ecosystem" / "aws_server.py", place / "bin"]
    running, path = subprocess.Popen(command), os.environ["PATH"]
    try:
        until((place / "bin" / "aws").exists, 60)
        os.environ["PATH"] = f"{place / 'bin'}{os.pathsep}{path}"
        yield
    finally:
        running.terminate()
        running.wait()
        os.environ["PATH"] = path


@contextmanager
def server(place):
    """A server with an empty bucket; yields its port."""
    (place / "s3" / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.environ["S3S_FS"], "--host", "127.0.0.1", "--port", str(port),
               "--access-key", KEY, "--secret-key", SECRET, place / "s3"]
    with open(place / "s3.log", "wb") as out:
        running = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until(lambda: socket.create_connection(("127.0.0.1", port)).close() is None, 30)
        yield port
    finally:
        running.terminate()
        running.wait()


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.05)


# The vendors ----------------------------------------------------------------


@contextmanager
def vendor(place):
    """A simulated vendor of its own; yields the settings of its users."""
    settings = place / "vendor.env"
    command = ["vendor-sim", "--env-file", settings, "--files", "1", "--records", "5",
               "--zip-window", "1s", "--processing", "300ms"]
    with open(place / "vendor.json", "wb") as out:
        sim = subprocess.Popen(command, stdout=out)
    try:
        until(settings.exists, 30)
        yield dict(re.findall(r"^export (\w+)='(.*)'$", settings.read_text(), re.M))
    finally:
        sim.terminate()
        sim.wait()


class Sim:
    def __init__(self, url):
        self.url = url

    def ask(self, path, body=None):
        data = None if body is None else body.encode()
        with urllib.request.urlopen(f"{self.url}/_sim/{path}", data) as reply:
            return reply.read().decode()

    def lines(self, path):
        return self.ask(path).split("\n")[:-1]

    def truth(self, group):
        span = f"from={DAY:%Y-%m-%dT%H:%M:%SZ}&to={NEXT:%Y-%m-%dT%H:%M:%SZ}"
        return self.lines(f"truth?group={group}&types=dialog_start,dialog_end&{span}")

    def creates(self):
        return json.loads(self.ask("stats"))["creates_accepted"]


def connections(env):
    """The connections of docs/airflow.md, for templates."""
    return {
        "ocp": {"login": env["OCP_USERNAME"], "password": env["OCP_PASSWORD"], "extra_dejson": {
            "iam_url": env["OCP_IAM_URL"], "realm": "master", "api_url": env["OCP_API_URL"]}},
        "voicegain": {"password": env["VOICEGAIN_TOKEN"],
                      "extra_dejson": {"base_url": env["VOICEGAIN_BASE_URL"]}},
        "dialpad": {"password": env["DIALPAD_API_KEY"], "extra_dejson": {
            "base_url": env["DIALPAD_BASE_URL"], "provider_id": env["DIALPAD_PROVIDER_ID"]}},
    }


# What is in the bucket in the end ---------------------------------------------


def records(place, under):
    """The lines of all files, and that nothing but records is a file."""
    found = collections.Counter()
    for path in sorted((place / "s3" / BUCKET / under).rglob("*.ndjson")):
        text = path.read_text(encoding="utf-8")
        assert text == "" or text.endswith("\n"), path
        found.update(text.split("\n")[:-1])
    return found


def same(what, found, expected):
    expected = collections.Counter(expected)
    assert expected, f"{what}: no truth"
    more, less = found - expected, expected - found
    assert not more and not less, (
        f"{what}: {sum(more.values())} too many, {sum(less.values())} missing of {sum(expected.values())}")


def listed(place, under, is_late):
    """Each file of the lake is in a list, and each list has only files that are there. With `is_late`,
    a try that was frozen ended with 75: what it noted stays for a next run, of which there is none."""
    root = place / "s3"
    lists = [path.read_text() for path in (root / BUCKET / under / "files").glob("*.ndjson")]
    named = {json.loads(line)["path"] for text in lists for line in text.splitlines()}
    there = (root / BUCKET / under / "lake").rglob("*.ndjson")
    assert named == {f"s3://{path.relative_to(root)}" for path in there}, under
    notes = (root / BUCKET / under / "lake" / ".callpipe-unlisted").rglob("*")
    assert is_late or not any(path.is_file() for path in notes), under


def each_once(place, sim, windows, late=()):
    for group in GROUPS:
        same(group, records(place, f"ocp/{group}/lake"), sim.truth(group))
        listed(place, f"ocp/{group}", any(name.startswith(f"{group}.fetch") for name in late))
        zips = list((place / "s3" / BUCKET / "ocp" / group).rglob("*.zip"))
        assert zips and all(zipfile.ZipFile(path).testzip() is None for path in zips), zips
    same("voicegain", records(place, "voicegain/records"), sim.lines("calls"))
    same("dialpad", records(place, "dialpad/records"), sim.lines("messages"))
    # Frozen between its note in the ledger and its request, a try sends the request when it goes on.
    more = sum(".submitted." in name for name in late)
    made = sim.creates()
    assert windows <= made <= windows + more, f"{made} exports were made for {windows} windows, {more} late"


def no_secret(place, texts, secrets):
    """Neither in what the tasks printed, nor in the bucket."""
    files = [p for p in (place / "s3").rglob("*") if p.is_file() and not p.name.endswith(".zip")]
    for name, text in [(p, p.read_bytes()) for p in files] + [("output", t.encode()) for t in texts]:
        for secret in secrets:
            assert secret.encode() not in text, f"{name} shows {secret[:4]}…"


# Tasks, without Airflow's scheduler -------------------------------------------


def source(changes=()):
    """The DAGs as they are documented, but for a few times."""
    text = (ROOT / "docs" / "airflow" / "in_a_bucket.py").read_text()
    for old, new in [("--format json-array", "--window 12h --format json-array"), *changes]:
        assert old in text, old
        text = text.replace(old, new)
    return text


def dags():
    os.environ.update(CALLPIPE_BUCKET=BUCKET, AWS_REGION="us-east-1")
    module = {}
    exec(compile(source(), "in_a_bucket.py", "exec"), module)
    return module


class Task:
    """One task of a run: a command, and how Airflow takes its status."""

    def __init__(self, name, operator, context, mapped=None, command=lambda text: text):
        self.name, self.operator, self.pool = name, operator, operator.pool
        render = lambda text: operator.dag.get_template_env().from_string(text).render(context)
        self.command = command(render(operator.bash_command))
        env = {name: value if isinstance(value, str) else mapped[value._key]
               for name, value in operator.env.items()}
        self.env = {name: render(value) for name, value in env.items()}
        self.tries, self.faults, self.state, self.output = 0, 0, "waits", None
        self.upstream = []

    def ended(self, status, output, clock):
        skips = getattr(self.operator, "skip_on_exit_code", None) or []
        if status == 0:
            process = getattr(self.operator, "output_processor", None)
            self.state = "success"
            self.output = process(output.splitlines()[-1]) if process else None
        elif status in skips:
            self.state = "skipped"
        elif status == getattr(self.operator, "retry_exit_code", -1):
            self.state = "waits"
            clock.wait(timedelta(seconds=self.operator.poke_interval))
        else:
            # The worker of a killed or frozen try is gone for Airflow, which tries again, also a sensor.
            self.tries += 1
            assert self.tries <= self.operator.retries, f"{self.name}: failed with {status}"
            self.state = "waits"
            clock.wait(self.operator.retry_delay)


class Fault:
    """When a try is killed or frozen: after a time, or at a request to the bucket."""

    def __init__(self, chance):
        self.freezes, self.thawed = chance.random() < 0.5, threading.Event()
        self.at, self.after, self.is_before = None, None, chance.random() < 0.5
        if chance.random() < 0.6:
            self.at = chance.randint(1, 16)
        else:
            # Often before the first request.
            self.after = chance.uniform(0, chance.choice([0.03, 2.5]))
        self.process, self.done = None, False

    def now(self):
        # Set before the process can ask for anything but its own start.
        while self.process is None:
            time.sleep(0.001)
        try:
            os.killpg(self.process.pid, signal.SIGSTOP if self.freezes else signal.SIGKILL)
            self.done = True
        except ProcessLookupError:
            pass


class Try:
    """One try of a task, on a machine that is empty before it and gone after it."""

    def __init__(self, place, port, clock, task, fault, seed):
        self.task, self.fault = task, fault
        self.disk = place / f"disk-{task.name}-{task.tries}-{random.getrandbits(32):08x}"
        for name in ("home", "tmp", "work"):
            (self.disk / name).mkdir(parents=True)
        self.proxy = Proxy(port, clock, fault, seed)
        env = task.env | {"HOME": str(self.disk / "home"), "TMPDIR": str(self.disk / "tmp"),
                          "AWS_ENDPOINT_URL": self.proxy.url}
        self.process = subprocess.Popen(["bash", "-c", task.command], cwd=self.disk / "work", env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.output = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if fault:
            fault.process = self.process
            if fault.after is not None:
                timer = threading.Timer(fault.after, fault.now)
                timer.daemon = True
                timer.start()

    def read(self):
        self.output = self.process.communicate()

    def is_frozen(self):
        return bool(self.fault and self.fault.freezes and self.fault.done)

    def wait(self, log):
        """Until it has ended, or is frozen: then there is no status."""
        deadline = time.monotonic() + 300
        while self.output is None:
            self.reader.join(0.01)
            if self.output is None and self.is_frozen():
                log(f"{self.task.name} is frozen")
                return None, None
            assert time.monotonic() < deadline, f"{self.task.name} does not end"
        return self.end(log)

    def end(self, log):
        self.proxy.shutdown()
        self.proxy.server_close()
        shutil.rmtree(self.disk)
        (out, err), status = self.output, self.process.returncode
        if self.fault:
            self.fault.done = self.is_frozen() or self.fault.done and status == -signal.SIGKILL
        what = "" if not (self.fault and self.fault.done) else " frozen" if self.fault.freezes else " killed"
        log(f"{self.task.name} {status}{what}\n{out}{err}")
        return status, out

    def thaw(self):
        self.fault.thawed.set()
        try:
            os.killpg(self.process.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def kill(self):
        self.thaw()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Story:
    """The runs of some DAGs, by several workers, of which some are killed or frozen."""

    def __init__(self, place, seed, port):
        self.chance, self.clock = random.Random(seed), Clock()
        self.start = lambda task, fault, seed: Try(place, port, self.clock, task, fault, seed)
        self.lock, self.logs, self.kills, self.freezes = threading.Condition(), [], 0, 0
        self.frozen, self.thawed, self.late = [], [], set()

    def log(self, text):
        self.logs.append(text)

    def run(self, tasks):
        """Until all tasks, and those that they make, have ended."""
        self.tasks, self.failed = tasks, None
        threads = [threading.Thread(target=self.work) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failed:
            for one in self.frozen + self.thawed:
                one.kill()
            raise self.failed
        if self.chance.random() < 0.5:
            self.thaw(1)
            self.end_thawed()

    def thaw(self, share):
        """Lets some of the frozen go on."""
        for one in list(self.frozen):
            if self.chance.random() < share:
                self.log(f"{one.task.name} goes on")
                self.frozen.remove(one)
                self.thawed.append(one)
                one.thaw()

    def end_thawed(self):
        """Waits for those that went on. Each finds that it is late, or continues from the newest state."""
        for one in self.thawed:
            one.reader.join(300)
            assert one.output is not None, f"{one.task.name} does not end after it was frozen"
            status, _ = one.end(self.log)
            assert status in (0, 75, 99), f"{one.task.name}: {status} after it was frozen"
            if status == 75:
                self.late.add(one.task.name)
        self.thawed = []

    def ready(self):
        busy = {task.pool for task in self.tasks if task.state == "runs" and task.pool != "default_pool"}
        is_done = lambda task: task.state in ("success", "skipped")
        return [task for task in self.tasks
                if task.state == "waits" and task.pool not in busy and all(map(is_done, task.upstream))]

    def work(self):
        while True:
            with self.lock:
                while not (ready := self.ready()):
                    is_over = all(task.state in ("success", "skipped") for task in self.tasks)
                    if is_over or self.failed:
                        self.lock.notify_all()
                        return
                    self.lock.wait(1)
                if self.failed:
                    return
                task = self.chance.choice(ready)
                task.state = "runs"
                fault = Fault(self.chance) if task.faults < FAULTS and self.chance.random() < 0.6 else None
                seed = self.chance.getrandbits(32)
            try:
                one = self.start(task, fault, seed)
                status, out = one.wait(self.log)
                with self.lock:
                    if fault and fault.done:
                        task.faults += 1
                        self.kills += not fault.freezes
                        self.freezes += fault.freezes
                    self.thaw(0.3)
                    if status is None:
                        self.frozen.append(one)
                    task.ended(status, out, self.clock)
                    if task.state == "success" and task.output and task.name.endswith(".plan"):
                        self.tasks = self.tasks + windows(task)
                    self.lock.notify_all()
            except BaseException as e:
                with self.lock:
                    self.failed = e
                    self.lock.notify_all()
                return


CONTEXT = {}


def windows(plan):
    """The tasks of each window, once the plan is there."""
    group, made = plan.name.split(".")[0], []
    for index, window in enumerate(plan.output):
        upstream = []
        for step in ("submitted", "ready", "fetch"):
            operator = plan.operator.dag.get_task(f"{group}.window.{step}")
            task = Task(f"{group}.{step}.{index}", operator, CONTEXT, window)
            task.upstream, upstream = upstream, [task]
            made.append(task)
    return made


def story(seed):
    """One seed; returns how many tries were killed, and how many were frozen."""
    place = PLACE / f"seed-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    with quick_aws(place), vendor(place) as env, server(place) as port:
        sim = Sim(env["OCP_API_URL"])
        secrets = [SECRET, env["OCP_PASSWORD"], env["VOICEGAIN_TOKEN"], env["DIALPAD_API_KEY"]]
        story, module = Story(place, seed, port), dags()
        CONTEXT.update(
            conn=connections(env), macros=SimpleNamespace(timedelta=timedelta),
            data_interval_start=DAY + timedelta(hours=3), data_interval_end=NEXT + timedelta(hours=3))
        run = lambda dag, **more: Task(f"{dag}.export", module[dag].get_task("export"), CONTEXT, **more)
        plans = [Task(f"{group}.plan", module["ocp"].get_task(f"{group}.plan"), CONTEXT) for group in GROUPS]
        until_then = lambda text: text.replace("--from -30d", f"--from -30d --to {DAY:%Y-%m-%d}")
        try:
            story.run([*plans, run("voicegain"), run("dialpad", command=until_then)])
            for _ in range(2):
                sim.ask("calls", f"add {story.chance.randint(1, 9)}")
                story.run([run("voicegain"), run("dialpad")])
            story.thaw(1)
            story.end_thawed()
            made = sum(len(plan.output) for plan in plans)
            each_once(place, sim, made, story.late)
            no_secret(place, story.logs, secrets)
        except BaseException:
            (place / "log").write_text("\n".join(story.logs))
            raise
    shutil.rmtree(place)
    return story.kills, story.freezes


# Airflow ----------------------------------------------------------------------


QUICK = [
    ("poke_interval=60", "poke_interval=1"),
    ('"retry_delay": timedelta(minutes=5)', '"retry_delay": timedelta(seconds=1)'),
]


class Killer(threading.Thread):
    """Kills the tasks that Airflow started, now and then, whole process groups."""

    def __init__(self, url, clock, kills):
        super().__init__(daemon=True)
        self.url, self.clock, self.left, self.killed = url.encode(), clock, kills, 0
        self.chance, self.over = random.Random(1), threading.Event()

    def groups(self):
        """Those of processes whose environment is a task's: it has the bucket, and not Airflow."""
        found = set()
        for entry in Path("/proc").iterdir():
            try:
                env = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
                group = os.getpgid(int(entry.name)) if entry.name.isdigit() else 0
                # Airflow gives up a sensor, a script in a file, if its command is killed and its worker is not.
                is_sensor = b"\0-c\0" not in Path(f"/proc/{group}/cmdline").read_bytes()
                if self.url in env and b"AIRFLOW_HOME=" not in env and not is_sensor:
                    found.add(group)
            except OSError:
                pass
        return sorted(found)

    def run(self):
        while self.left and not self.over.wait(self.chance.uniform(0.2, 1.2)):
            groups = self.groups()
            if groups:
                try:
                    os.killpg(self.chance.choice(groups), signal.SIGKILL)
                except ProcessLookupError:
                    # It has just ended.
                    continue
                self.left, self.killed = self.left - 1, self.killed + 1
                # Before the next try Airflow waits as long as the DAG says.
                self.clock.wait(timedelta(minutes=5))
                self.over.wait(self.chance.uniform(0, 3))


def with_airflow():
    """Each DAG once, with kills; then Voicegain's again, for new calls."""
    place, logs = PLACE / "airflow", []
    shutil.rmtree(place, ignore_errors=True)
    (place / "dags").mkdir(parents=True)

    def airflow(*args):
        done = subprocess.run(["airflow", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=900)
        logs.append(done.stdout)
        if done.returncode != 0:
            (place / "log").write_text("\n".join(logs))
        assert done.returncode == 0, f"airflow {args}: {done.returncode}, see {place}/log"
        return done.stdout

    with vendor(place) as env, server(place) as port:
        sim, clock = Sim(env["OCP_API_URL"]), Clock()
        proxy = Proxy(port, clock)
        made = connections(env)
        text = source(QUICK)
        (place / "dags" / "in_a_bucket.py").write_text(text)
        os.environ.update(
            CALLPIPE_BUCKET=BUCKET, AWS_ENDPOINT_URL=proxy.url, AWS_REGION="us-east-1",
            AIRFLOW_HOME=str(place / "home"), AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__DAGS_FOLDER=str(place / "dags"))
        airflow("db", "migrate")
        (place / "connections.json").write_text(json.dumps(
            {name: {"conn_type": "generic", **values} for name, values in made.items()}))
        airflow("connections", "import", str(place / "connections.json"))
        (place / "connections.json").unlink()
        for group in GROUPS:
            airflow("pools", "set", f"ocp_{group}", "1", "-")
        killed = 0
        runs = [("ocp_cdrs_in_a_bucket", (TODAY - timedelta(hours=12)).isoformat()),
                ("voicegain_calls_in_a_bucket",), ("dialpad_messages_in_a_bucket",),
                ("voicegain_calls_in_a_bucket",)]
        for run in runs:
            if killed and run[0].startswith("voicegain"):
                sim.ask("calls", "add 3")
            killer = Killer(proxy.url, clock, 8 if run[0].startswith("ocp") else 2)
            killer.start()
            said = airflow("dags", "test", *run)
            killer.over.set()
            killer.join()
            killed += killer.killed
            (place / "log").write_text("\n".join(logs))
            assert "state=success" in said.splitlines()[-1], f"{run} failed: see {place}/log"
        each_once(place, sim, 2 * len(GROUPS))
        secrets = [SECRET, *(made[name]["password"] for name in made)]
        no_secret(place, logs, secrets)
        record = json.loads(sim.truth("acme")[0])
        for path in (place / "home").rglob("*"):
            if path.is_file():
                text = path.read_bytes()
                for word in [SECRET, record["id"], record["origin_uri"], "externalEndpoint", "sendertype"]:
                    assert word.encode() not in text, f"{path} shows {word[:6]}…"
    return killed


def main():
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(PLACE / "credentials")
    text = f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (PLACE / "credentials").write_text(text)
    if sys.argv[1:2] == ["airflow"]:
        started = time.monotonic()
        print(f"  Airflow: {with_airflow()} killed, each record once: {time.monotonic() - started:.0f} s", flush=True)
    seeds = sys.argv[2:] if sys.argv[1:2] == ["airflow"] else sys.argv[1:]
    for seed in map(int, seeds):
        started = time.monotonic()
        try:
            kills, freezes = story(seed)
        except BaseException:
            print(f"  seed {seed} failed: {PLACE}/seed-{seed}/log", flush=True)
            raise
        print(f"  seed {seed}: {kills} killed, {freezes} frozen, each record once: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
