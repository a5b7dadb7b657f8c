"""Runs the recipes for several machines of docs/streaming.md, with two receivers for two machines.

Run by `scripts/test-ecosystem receiver`, in a directory of its own, with the programs on PATH. kcat comes
from PATH, or from apt into target/ecosystem. The broker is the one that its library simulates, which
speaks Kafka's protocol over a socket; a real one is not tested.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path.cwd()
PAGE = (ROOT / "docs" / "streaming.md").read_text()
SECRET = "a-secret-of-the-test"
EACH, SHARED = 20, 10


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def with_kcat():
    """The environment in which `kcat` is one; fetched from the distribution, but not installed."""
    env = dict(os.environ)
    if not shutil.which("kcat"):
        place = ROOT / "target" / "ecosystem" / "kcat"
        if not (place / "usr" / "bin" / "kcat").exists():
            place.mkdir(parents=True, exist_ok=True)
            packages = ["kcat", "librdkafka1", "libyajl2"]
            fetch = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages]
            subprocess.run(fetch, cwd=place, check=True)
            for package in place.glob("*.deb"):
                subprocess.run(["dpkg", "-x", package.name, "."], cwd=place, check=True)
        env["PATH"] += f":{place}/usr/bin"
        env["LD_LIBRARY_PATH"] = ":".join(str(path) for path in (place / "usr" / "lib").glob("*-linux-gnu"))
    return env


@contextlib.contextmanager
def broker(env):
    """A producer that has the simulated broker in it, and sends nothing; where the broker listens."""
    command = ["kcat", "-P", "-X", "test.mock.num.brokers=1", "-b", "none", "-t", "none"]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"replaced with (\S+)", process.stderr.readline())[1]
        finally:
            process.kill()


def section():
    return PAGE.split("## Several machines", 1)[1].split("\n## ", 1)[0]


def block(language, word):
    """The block of the section that has a word."""
    blocks = re.findall(rf"```{language}\n(.*?)```", section(), re.S)
    (found,) = [text for text in blocks if word in text]
    return found


def receiver(name, port, servers):
    """The line of the page that feeds Kafka, for one machine."""
    line = block("text", "kcat -P")
    for old, new in [
        ("--listen 0.0.0.0:443 --cert fullchain.pem --key key.pem",
         f"--listen 127.0.0.1:{port} --plain --drain 0s --publish-every 200ms"),
        ("/srv/ocp", f"{HERE}/{name}"),
        ("kafka:9092", servers),
    ]:
        assert old in line, old
        line = line.replace(old, new)
    return line


def curl(*args):
    done = subprocess.run(["curl", "-sS", "--fail", *args], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")


def token(port):
    form = ["-u", f"a:{SECRET}", "-d", "grant_type=client_credentials"]
    return curl(*form, f"http://127.0.0.1:{port}/oauth2/token")["access_token"]


def push(port, token, numbers):
    for number in numbers:
        record = {"message_type": "dialog_end", "id": f"i{number}", "time": 1763012220333, "exported": False}
        curl("-H", f"Authorization: Bearer {token}", "-d", json.dumps({"messages": [record]}),
             f"http://127.0.0.1:{port}/push/acme/dialog_end")


def consume(servers, env):
    command = ["kcat", "-C", "-b", servers, "-t", "calls", "-o", "beginning", "-e", "-q"]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60)
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def main():
    (HERE / "secret").write_text(SECRET)
    (HERE / "clients.toml").write_text(f'[[client]]\nid = "a"\nsecret_file = "{HERE}/secret"\npaths = ["/push/acme/*"]\n')
    for file in ("secret", "clients.toml"):
        (HERE / file).chmod(0o600)
    env = with_kcat()
    with broker(env) as servers:
        machines, bearer = [], None
        for name, numbers in [("a", range(EACH)), ("b", range(EACH - SHARED, 2 * EACH - SHARED))]:
            port = free_port()
            if bearer:
                (HERE / name).mkdir(mode=0o700)
                shutil.copy2(HERE / "a" / "token.keys", HERE / name)
            command = ["bash", "-c", f"set -o pipefail; {receiver(name, port, servers)}"]
            machines.append(subprocess.Popen(command, env=env))
            wait_for(port)
            # That of the first machine is good for the second.
            bearer = bearer or token(port)
            push(port, bearer, numbers)
        for machine in machines:
            # The receiver ends, then its reader.
            for child in Path(f"/proc/{machine.pid}/task/{machine.pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "ocp-receive":
                    os.kill(int(child), signal.SIGTERM)
            assert machine.wait(60) == 143, machine.returncode
        ids = consume(servers, env)
    wanted = {f"i{number}" for number in range(2 * EACH - SHARED)}
    assert len(ids) == 2 * EACH and set(ids) == wanted, ids
    print(f"  kcat: {len(ids)} messages, {len(wanted)} records")
    for name in ("a", "b"):
        copy = block("text", "rsync").replace("/srv/ocp", f"{HERE}/{name}").replace("/mnt/lake", f"{HERE}/shared")
        if shutil.which("rsync"):
            subprocess.run(["bash", "-euc", copy], check=True)
        else:
            shutil.copytree(HERE / name / "lake", HERE / "shared", dirs_exist_ok=True)
    query = block("sql", "DISTINCT").replace("/mnt/lake", f"{HERE}/shared")
    found = duckdb.sql(query).fetchall()
    assert len(found) == len(wanted), found
    print(f"  DuckDB: {len(found)} records of both machines, each once")


if __name__ == "__main__":
    sys.exit(main())
