"""Compares dialpad-window with jq and Python, which read the same replies from files."""
import bisect
import datetime
import http.server
import json
import os
import random
import sys
import threading

from common import BENCH, Table, Turns, peak_memory

DAYS = 20
DAY = 86_400_000
OURS = "dialpad-window --from -{days}d --window 1d --rate 100000/1s --read-timeout 60s > /dev/null"
PYTHON = """
import glob, json, sys
for name in sorted(glob.glob(sys.argv[1])):
    for session in json.load(open(name)):
        for message in session["messages"]:
            sys.stdout.write(json.dumps(message) + "\\n")
"""


class Messages(http.server.BaseHTTPRequestHandler):
    """A server that sends all messages of a window as fast as the socket accepts them."""

    protocol_version = "HTTP/1.1"
    times, bodies, sent = [], [], 0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first = bisect.bisect_left(self.times, asked["start"])
        last = bisect.bisect_left(self.times, asked["end"])
        body = wrapped(self.bodies[first:last])
        Messages.sent += len(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def wrapped(bodies):
    """Wraps the messages into sessions of ten messages."""
    sessions = [b'{"messages":[' + b",".join(bodies[at : at + 10]) + b"]}" for at in range(0, len(bodies), 10)]
    return b"[" + b",".join(sessions) + b"]"


def generate(mib, now):
    """Messages with the documented fields, spread evenly over the time. The first day has a few more:
    replies for the other days are smaller, so dialpad-window need not read them in halves."""
    die = random.Random(1)
    words = "please hold ****NAME**** order ****NUMERIC**** thanks agent account Ça 👋 the a of to".split()
    size, bodies = 0, []
    while size < mib << 20:
        number = len(bodies)
        message = {
            "text": " ".join(die.choices(words, k=die.randint(3, 30))), "timestamp": "May 29, 2024 4:26:40 PM", "ts": 0,
            "sendername": "Pat", "sendertype": die.choice(["customer", "bot", "agent"]), "sessionid": f"{number // 10}.1",
            "customersessionid": f"-{number // 10}.2291", "sentiment": 0.25, "workflow": "Main", "workflownodeid": "n7",
            "topic": "greeting", "score": 0.91, "topmatches": [{"intent": "greeting", "score": 0.91, "match": "hello"}],
            "lang": "en", "sessionchannel": "webchat", "chattype": "bot",
        }
        bodies.append(json.dumps(message, ensure_ascii=False).encode())
        size += len(bodies[-1])
    begin = now - DAYS * DAY + 60_000
    bonus = len(bodies) // 500
    times = sorted([begin + die.randrange(DAY // 2) for _ in range(bonus)] + [begin + die.randrange(DAYS * DAY - 120_000) for _ in range(len(bodies) - bonus)])
    return times, [body.replace(b'"ts": 0', b'"ts": %d' % ts) for body, ts in zip(bodies, times)]


def measure(rounds, mib):
    mib = min(mib, 256)
    now = int(datetime.datetime.now().timestamp() * 1000)
    Messages.times, Messages.bodies = generate(mib, now)
    directory = BENCH / "dialpad"
    directory.mkdir(parents=True, exist_ok=True)
    for day in range(DAYS):
        first, last = (bisect.bisect_left(Messages.times, now - (DAYS - day - at) * DAY) for at in (0, 1))
        (directory / f"day-{day:02}.json").write_bytes(wrapped(Messages.bodies[first:last]))
    (directory / "same.py").write_text(PYTHON)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Messages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(DIALPAD_BASE_URL=f"http://127.0.0.1:{server.server_port}", DIALPAD_PROVIDER_ID="1020", DIALPAD_API_KEY="x")
    ours = OURS.format(days=DAYS)
    turns = Turns(rounds, {
        "ours": ours,
        "jq": f"jq -c '.[].messages[]' {directory}/day-*.json > /dev/null",
        "python": f"{sys.executable} {directory}/same.py '{directory}/day-*.json' > /dev/null",
    })
    size, count = sum(map(len, Messages.bodies)) / 1e6, len(Messages.bodies)
    # dialpad-window also reads the two halves of the first day.
    read = Messages.sent / rounds / 1e6
    table = Table(f"{count} messages, {size:.0f} MB in {DAYS} replies; ours over HTTP from loopback, {read:.0f} MB with what it reads again; the others from files")
    for name in ["ours", "jq", "python"]:
        table.line(f"{name}, messages a second", count / turns.time(name), "", None, f"{size / turns.time(name):.0f} MB/s, {size / turns.time(name, 'cpu'):.0f} MB for a second of a processor")
    table.at_least("jq's time over ours", turns.ratio("jq", "ours"), 3)
    # dialpad-window shares the machine with the server, which is written in Python.
    table.at_least("Python's time over ours", turns.ratio("python", "ours"), 2)
    table.at_least("Python's processor time over ours", turns.ratio("python", "ours", "cpu"), 3)
    table.at_least("jq's processor time over ours", turns.ratio("jq", "ours", "cpu"), 5)
    table.at_most("peak memory", peak_memory(ours), 24, unit="MiB")
    server.shutdown()
    return table.met
