"""Compares ocp-metrics with Python and orjson for the same job: 720 days by the hour, 2 000 series.

The simulated service makes the replies while it sends them, so neither program reads from a disk.
`PEER` is a plain Python program for the same job: the same windows and the same rows. It leaves out
the check for duplicate keys, because orjson keeps only one of two equal keys.
"""
import json
import os
import pathlib
import subprocess
import tempfile

import peers
from common import Table, Turns, peak_memory

SERIES = 2000
DAYS = 719

PEER = """
import hashlib, http.client, os, sys, urllib.parse
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
import orjson
first, last = (datetime.fromisoformat(text) for text in sys.argv[1:])
host = urllib.parse.urlparse(os.environ["OCP_API_URL"]).netloc
server, out = http.client.HTTPConnection(host), sys.stdout.buffer
hour, settle, shape = timedelta(hours=1), timedelta(hours=2), "%Y-%m-%dT%H:%M:%SZ"
filters = {"channel": [], "miniapp_name": []}
while first < last:
    end = min(first + timedelta(days=7), last)
    slashes = "%Y/%m/%d %H:%M:%S"
    body = orjson.dumps({
        "metrics": ["dialogs"], "filters": filters, "start": first.strftime(slashes), "end": end.strftime(slashes),
        "group": "acme", "downsampling": "hour", "drilldown": True, "timezone": "UTC"})
    server.request("POST", "/metrics-api/v3/batch/metrics/dialogs", body,
                   {"Content-Type": "application/json", "X-OCP-PERSONAL-ACCESS-TOKEN": os.environ["OCP_PAT"]})
    reply = server.getresponse()
    when = parsedate_to_datetime(reply.headers["Date"])
    as_of = when.strftime(shape)
    for one in orjson.loads(reply.read()):
        fields = {
            "api": "v3", "source": "batch", "category": "dialogs", "group": "acme", "metric": one["metric"],
            "step": "hour", "timezone": "UTC", "filters": filters, "drilldown": True, "tags": one["tags"]}
        series = hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        for key, value in one["dps"].items():
            start = datetime.fromisoformat(key).replace(tzinfo=timezone.utc)
            to = start + hour
            out.write(orjson.dumps({
                "metric": one["metric"], "from": start, "to": to, "value": value, "step": "hour", "source": "batch",
                "category": "dialogs", "api": "v3", "group": "acme", "tags": one["tags"], "filters": filters,
                "drilldown": True, "timezone": "UTC", "series": series, "as_of": as_of, "settled": to + settle <= when},
                option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
    first = end
"""

# The calendar of the simulated service begins here; the service keeps 720 days minus an hour.
NOW = "2026-11-20T12:00:00Z"


class Service:
    """Runs the simulated service, whose replies have `series` series."""

    def __init__(self, series):
        command = ["vendor-sim", "--now", NOW, "--pat", "bench", "--metric-series", str(series)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        url = json.loads(self.process.stdout.readline())["url"]
        return dict(os.environ, OCP_API_URL=url, OCP_PAT="bench")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def ours(start, end, more=""):
    return (f"ocp-metrics batch dialogs --group acme --metric dialogs --by channel --by miniapp_name"
            f" --from {start}Z --to {end}Z --rate 9999/1s --max-age 730d -q {more}")


def measure(rounds, _mib):
    python = peers.install()
    subprocess.run([python, "-m", "pip", "install", "--quiet", "orjson==3.13.0"], check=False)
    end, start = "2026-11-20T00:00:00", "2024-12-01T00:00:00"
    rows = SERIES * DAYS * 24
    # Python needs minutes for the whole job. A tenth of the job, in windows of the same length, is
    # enough to compare.
    some, part = "2026-09-09T00:00:00", SERIES * 72 * 24
    with tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "peer.py").write_text(PEER)
        with Service(SERIES) as env:
            check(env, python, directory)
            turns = Turns(rounds, {
                "python": f"{python} peer.py {some} {end} > /dev/null",
                "ours": f"{ours(some, end)} > /dev/null",
            }, env=env, cwd=directory)
            whole = Turns(1, {"ours": f"{ours(start, end)} > /dev/null"}, env=env, cwd=directory)
            os.environ.update(OCP_API_URL=env["OCP_API_URL"], OCP_PAT="bench")
            memory = peak_memory(f"{ours(start, end)} > /dev/null")
        with Service(20 * SERIES) as env:
            os.environ.update(OCP_API_URL=env["OCP_API_URL"])
            # This gives a reply of a gigabyte.
            large = peak_memory(f"{ours('2026-11-06T00:00:00', end, '--window 30d --read-timeout 600s')} > /dev/null")
    table = Table(f"{DAYS} days by the hour, {SERIES} series, from the simulated service")
    table.line("Python with orjson, rows a second of its processor", part / turns.time("python", "cpu"), "", None)
    table.line("ocp-metrics, rows a second of its processor", part / turns.time("ours", "cpu"), "", None)
    table.line(f"ocp-metrics, {rows} rows, seconds on the clock", whole.time("ours"), "s", None)
    table.at_least("Python with orjson, its processor time in shares of ours", 1 / turns.ratio("ours", "python", "cpu"), 8)
    table.line("Python with orjson, its wall time in shares of ours", 1 / turns.ratio("ours", "python"), "×", None)
    table.at_most("peak memory, 720 days", memory, 24, unit="MiB")
    table.at_most(f"peak memory, one reply of {20 * SERIES} series and 14 days", large, 24, unit="MiB")
    return table.met


def check(env, python, directory):
    """Checks that both programs print the same rows for one day."""
    day = ["2026-11-10T00:00:00", "2026-11-11T00:00:00"]
    run = lambda command: subprocess.run(command, shell=True, env=env, cwd=directory, check=True, capture_output=True)
    rows = [[json.loads(line) for line in run(command).stdout.splitlines()]
            for command in [f"{python} peer.py {day[0]} {day[1]}", ours(*day)]]
    for row in rows[0] + rows[1]:
        del row["as_of"]
    assert rows[0] == rows[1] and len(rows[0]) == 24 * SERIES, (rows[0][:1], rows[1][:1])
