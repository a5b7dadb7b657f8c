"""Compares vg-consecutive with the vendor's algorithm in Python, and its CSV with DuckDB and Miller.

`VENDOR` is not a copy of the vendor's script, but has its algorithm: a fixed cursor, and pages until
one is empty. It reads a page with csv.reader over splitlines() and writes one file for each page.
"""
import http.server
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading

import peers
from common import BENCH, Table, Turns, peak_memory

CALLS = 20_000

VENDOR = """
import csv, sys, urllib.request
base, token = sys.argv[1:]
page = 1
while True:
    url = f"{base}/sa/call?format=csv&per_page=1000&page={page}&afterCallId=0&consecutive=true&fromTime=2000-01-01T00:00:00Z"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    content = urllib.request.urlopen(request).read().decode("utf-8")
    rows = list(csv.reader(content.splitlines()))
    if len(rows) <= 1:
        break
    with open(f"export_page_{page}.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    page += 1
"""

WIRE = "--wire csv --csv-date-order dmy --csv-tz UTC"
FAST = "--rate 100000/1s --read-timeout 60s"


class Vendor:
    """Runs the simulated vendor, with a quota that is too large to have an effect."""

    def __enter__(self):
        command = ["vendor-sim", "--calls", str(CALLS), "--call-phrases", "20", "--call-quota", "1000000"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = json.loads(self.process.stdout.readline())["url"] + "/v1"
        return dict(os.environ, VOICEGAIN_BASE_URL=url, VOICEGAIN_TOKEN="demo-jwt", URL=url)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Page(http.server.BaseHTTPRequestHandler):
    """A server that sends one big page of CSV and then an empty page, as fast as the socket accepts them."""

    protocol_version = "HTTP/1.1"
    path_of_csv = None

    def do_GET(self):
        is_first = "afterCallId=0&" in self.path
        body = b"callId\n" if "format=csv" in self.path else b"[]"
        length = self.path_of_csv.stat().st_size if is_first else len(body)
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()
        if is_first:
            with open(self.path_of_csv, "rb") as file:
                self.connection.sendfile(file)
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def calls_csv(mib):
    """The file with calls whose notes have several lines; it is made once."""
    path = BENCH / f"calls-{mib}.csv"
    if path.exists():
        return path
    BENCH.mkdir(parents=True, exist_ok=True)
    die = random.Random(1)
    words = "claim member coverage balance agent resolved transfer caller asked about the a of to".split()
    header = "accountId,contextId,callId,startTime,endTime,duration,direction,externalEndpoint,agent.id,agent.name,queue.name,sentiment,notes,tags,keywords,wordCloud,progressPhase,markers"
    with open(path.with_suffix(".tmp"), "w", newline="") as file:
        file.write(header + "\r\n")
        call = 0
        while file.tell() < mib << 20:
            for _ in range(1000):
                call += die.randint(1, 3)
                notes = "\n".join(" ".join(die.choices(words, k=25)) for _ in range(die.randint(1, 5)))
                cloud = "|".join(f"{die.choice(words)}:{n}" for n in range(20))
                when = f"{die.randint(1, 28):02}-12-2024 {die.randint(1, 12)}:15:45 PM"
                file.write(
                    f'f9f32f4b-845d-4110-8b9a-4f8eef06cfe5,17396f85-57b1-446c-874b-e40037998113,{call},{when},{when},274,inbound,'
                    f'+1214555{call % 10000:04},436828,Pat Doe,Q-Member,0.25,"{notes}",C_Member|R_Coverage,{cloud},{cloud},DONE,'
                    f'"201897,CC_AGENT_ANSWER,null|179162,CC_ANSWER,null"\r\n'
                )
    path.with_suffix(".tmp").rename(path)
    return path


def records(rounds):
    table = Table(f"{CALLS} calls from the simulated vendor, 1000 at a time")
    with Vendor() as env, tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "vendor.py").write_text(VENDOR)
        turns = Turns(rounds, {
            "vendor": f"{sys.executable} vendor.py $URL demo-jwt",
            "csv": f"vg-consecutive {FAST} {WIRE} --format csv -o calls.csv",
            "json": f"vg-consecutive {FAST} -o calls.ndjson",
        }, env=env, cwd=directory)
        lines = pathlib.Path(directory, "calls.ndjson").read_bytes().count(b"\n")
        assert lines == CALLS, f"{lines} calls of {CALLS}"
        size = pathlib.Path(directory, "calls.ndjson").stat().st_size >> 20
    for name, what in [("vendor", "vendor's algorithm, Python"), ("csv", "vg-consecutive --wire csv"), ("json", f"vg-consecutive, all fields ({size} MiB)")]:
        table.line(f"{what}, calls a second", CALLS / turns.time(name), "", None)
    table.at_least("same CSV: processor time of Python in shares of ours", 1 / turns.ratio("csv", "vendor", "cpu"), 2)
    table.at_most("same CSV: wall time in shares of Python's", turns.ratio("csv", "vendor"), 1)
    return table.met


def tables(rounds, mib):
    python = peers.install()
    if not shutil.which("mlr"):
        command = ["apt-get", "install", "-y", "miller"]
        subprocess.run(command if os.geteuid() == 0 else ["sudo", *command], check=True, stdout=sys.stderr)
    path = calls_csv(mib)
    Page.path_of_csv = path
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(os.environ, VOICEGAIN_BASE_URL=f"http://127.0.0.1:{server.server_port}/v1", VOICEGAIN_TOKEN="x")
    read = f"read_csv('{path}', all_varchar=true, quote='\"', escape='\"', header=true, strict_mode=false)"
    duckdb = f"import duckdb; duckdb.sql('SET threads=1'); duckdb.sql(\"\"\"COPY (SELECT * FROM {read}) TO '/dev/null' (FORMAT json)\"\"\")"
    ours = f"vg-consecutive {FAST} {WIRE} > /dev/null"
    commands = {"ours": ours, "duckdb": f"{python} - <<'EOF'\n{duckdb}\nEOF", "miller": f"mlr --icsv --ojson --ojsonl cat {path} > /dev/null"}
    turns = Turns(rounds, commands, env=env)
    size = path.stat().st_size / 1e6
    table = Table(f"CSV to NDJSON, {size:.0f} MB; ours over HTTP from loopback, with times read; the others from a file")
    for name in commands:
        table.line(f"{name}, MB a second", size / turns.time(name), "", None)
    # vg-consecutive also spends time on HTTP and on reading the times of calls; the other tools
    # spend time on files.
    table.at_least("DuckDB on one thread, its processor time in shares of ours", 1 / turns.ratio("ours", "duckdb", "cpu"), 2)
    table.at_least("Miller, its processor time in shares of ours", 1 / turns.ratio("ours", "miller", "cpu"), 10)
    os.environ.update(VOICEGAIN_BASE_URL=env["VOICEGAIN_BASE_URL"], VOICEGAIN_TOKEN="x")
    table.at_most("vg-consecutive, peak memory over that one page", peak_memory(ours), 16, unit="MiB")
    return table.met


def measure(rounds, mib):
    return all([records(rounds), tables(rounds, min(mib, 200))])
