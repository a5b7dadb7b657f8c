"""Compares export-fetch with the shortest time that the vendor's limits allow."""
import json
import os
import subprocess
import tempfile
import time

from common import Table


class Vendor:
    """Runs the simulated vendor while a `with` block runs."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        command = ["vendor-sim", *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        url = json.loads(self.process.stdout.readline())["url"]
        self.env = dict(
            os.environ, OCP_API_URL=url, OCP_IAM_URL=url, OCP_USERNAME="demo", OCP_PASSWORD="demo-password"
        )
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def bound(exports, processing, pages, limit, window):
    """The shortest time that the limits allow for the job: the exports of a group are processed one
    after the other, and every period of `window` seconds may contain at most `limit` ZIPs."""
    ready, sent = 0.0, []
    for _ in range(exports):
        ready += processing
        for _ in range(pages):
            at = max(ready, sent[-1] if sent else 0.0)
            if len(sent) >= limit:
                at = max(at, sent[-limit] + window)
            sent.append(at)
    return sent[-1]


def measure(_rounds, _mib):
    table = Table("export-fetch: 30 days in 15 exports, wall time over the bound that the limits set")
    cases = [
        ("bound by the rate: 10 ZIPs an export", 0.4, 5, 1.0),
        ("bound by processing: 2 ZIPs an export", 2.0, 25, 1.0),
        ("balanced: 5 ZIPs an export", 1.0, 10, 1.0),
    ]
    for name, processing, page_size, window in cases:
        files = 48  # one an hour
        pages = -(-files // page_size)
        best = bound(15, processing, pages, 5, window)
        flags = ["--processing", f"{int(processing * 1000)}ms", "--zip-window", f"{int(window * 1000)}ms"]
        with Vendor(*flags, "--files", "1", "--records", "5", "--latency", "1ms") as vendor, \
                tempfile.TemporaryDirectory() as directory:
            plan = subprocess.run(
                ["export-plan", "windows", "--group", "acme", "--type", "dialog_end", "--from", "-31d", "--to", "-1d"],
                check=True, capture_output=True, env=vendor.env,
            ).stdout
            # Use 15 whole windows, because the hours at both ends depend on the time of day.
            plan = b"".join(plan.splitlines(keepends=True)[:15])
            command = ["export-fetch", "--out-dir", "cdrs", "--page-size", str(page_size),
                       "--rate", f"5/{int(window * 1000)}ms", "--poll", "20ms"]
            began = time.monotonic()
            done = subprocess.run(command, input=plan, check=True, capture_output=True, cwd=directory, env=vendor.env)
            taken = time.monotonic() - began
        assert len(done.stdout.splitlines()) == 15 * pages, "every ZIP has a line"
        table.at_most(name, taken / best, 1.10, f"{taken:.2f} s for {best:.2f} s")
    return table.met
