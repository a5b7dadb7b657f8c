"""The receiver behind nginx and its systemd units, with a Java client that pushes.

Run by `scripts/test-ecosystem receiver`, in a directory of its own, with the programs on PATH.
nginx comes from PATH, or from apt into target/ecosystem.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path.cwd()
SECRET = "a-secret-of-the-test"
PUSHES = 2000

CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out leaf.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > san
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem
cat leaf.pem ca.pem > fullchain.pem
"""


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def nginx():
    """The program; fetched from the distribution where there is none, but not installed."""
    if found := shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        return found
    place = ROOT / "target" / "ecosystem" / "nginx"
    program = place / "root" / "usr" / "sbin" / "nginx"
    if not program.exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "nginx"], cwd=place, check=True, capture_output=True)
        package = next(place.glob("nginx_*.deb"))
        subprocess.run(["dpkg", "-x", package, place / "root"], check=True)
    return str(program)


def check_units():
    """systemd takes the units, with the programs where they are here."""
    place = HERE / "units"
    place.mkdir()
    program = shutil.which("ocp-receive")
    for unit in (ROOT / "docs" / "systemd").iterdir():
        (place / unit.name).write_text(unit.read_text().replace("/usr/bin/ocp-receive", program))
    units = sorted(place.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    command = next(line for line in (place / "ocp-receive.service").read_text().splitlines()
                   if line.startswith("ExecStart="))
    words = command.removeprefix("ExecStart=").split()
    subprocess.run([*words, "--print-config"], check=True, stdout=subprocess.DEVNULL)
    score = subprocess.run(["systemd-analyze", "security", "--offline=true", place / "ocp-receive.service"],
                           capture_output=True, text=True).stdout
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", score)[1])
    assert exposure < 2, exposure
    print(f"  systemd: {len(units)} units, exposure {exposure}")


def configure_nginx(front, behind):
    text = (ROOT / "docs" / "nginx" / "ocp-receive.conf").read_text()
    for old, new in [
        ("listen 443 ssl", f"listen 127.0.0.1:{front} ssl"),
        ("server 127.0.0.1:8080", f"server 127.0.0.1:{behind}"),
        ("/etc/ssl/in.example/", f"{HERE}/"),
        ("in.example", "localhost"),
    ]:
        assert old in text, old
        text = text.replace(old, new)
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = f"{kind}_temp_path {HERE}/tmp-{kind};\n" + text
    (HERE / "nginx.conf").write_text(
        f"daemon off;\nuser root;\npid {HERE}/nginx.pid;\nerror_log {HERE}/nginx.log warn;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{text}}}\n")


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")


def read_by_duckdb():
    """DuckDB reads the lake, and receive.db where its extension for SQLite is at hand."""
    lake = f"read_json('{HERE}/ocp/lake/**/*.ndjson', hive_partitioning = true)"
    ((read,),) = duckdb.sql(f"SELECT count(*) FROM {lake} WHERE message_type = 'dialog_end'").fetchall()
    assert read == PUSHES, read
    try:
        duckdb.sql("INSTALL sqlite; LOAD sqlite")
    except duckdb.Error:
        return f"{read} records; no extension for SQLite is at hand"
    duckdb.sql(f"ATTACH '{HERE}/ocp/receive.db' AS receive (TYPE sqlite, READ_ONLY)")
    ((pushes,),) = duckdb.sql("SELECT CAST(sum(pushes) AS BIGINT) FROM receive.uses").fetchall()
    assert pushes == PUSHES + 2, pushes
    return f"{read} records, and {pushes} pushes in receive.db"


def main():
    check_units()
    subprocess.run(["bash", "-euc", CERTIFICATES], check=True, capture_output=True)
    front, behind, admin = free_port(), free_port(), free_port()
    configure_nginx(front, behind)
    secret = HERE / "secret"
    secret.write_text(SECRET + "\n")
    clients = HERE / "clients.toml"
    clients.write_text(f'[[client]]\nid = "a"\nsecret_file = "{secret}"\npaths = ["/push/acme/*"]\n')
    for file in (secret, clients):
        file.chmod(0o600)
    receive = ["ocp-receive", "serve", "--listen", f"127.0.0.1:{behind}", "--plain", "--clients", clients,
               "--dir", HERE / "ocp", "--admin", f"127.0.0.1:{admin}", "--publish-every", "1s", "--drain", "0s"]
    with open("files.ndjson", "wb") as files, \
            subprocess.Popen(receive, stdout=files) as receiver, \
            subprocess.Popen([nginx(), "-c", HERE / "nginx.conf", "-p", HERE]) as proxy:
        try:
            wait_for(behind)
            wait_for(front)
            url = f"https://localhost:{front}"
            flags = ["--client-id", "a", "--secret-file", secret, "--ca-cert", "ca.pem",
                     "--token-url", f"{url}/oauth2/token", "--url", f"{url}/push/acme/dialog_end"]
            probed = subprocess.run(["ocp-subscribe", "probe", *flags], check=True, capture_output=True)
            assert json.loads(probed.stdout)["status"] == "ok", probed
            java = ["java", ROOT / "tests" / "ecosystem" / "Pusher.java", f"{url}/oauth2/token",
                    f"{url}/push/acme/dialog_end", "a", SECRET, str(PUSHES), "ca.pem"]
            began = time.monotonic()
            pushed = json.loads(subprocess.run(java, check=True, capture_output=True).stdout)
            assert pushed == {"delivered": PUSHES, "recorded": True}, pushed
            usage = json.load(urllib.request.urlopen(f"http://127.0.0.1:{admin}/v1/usage"))
            seen = {use["path"].split("/")[-1]: use["pushes"] for use in usage["uses"]}
            assert seen["dialog_end"] == PUSHES + 1 and seen["wcr"] == 1, usage
            print(f"  nginx, Java: {PUSHES} pushes and a recording in {time.monotonic() - began:.0f} s")
            # All of this while the receiver runs.
            database = sqlite3.connect(f"file:{HERE}/ocp/receive.db?mode=ro", uri=True)
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            assert "receipts" in tables, tables
            (pushes,) = database.execute("SELECT sum(pushes) FROM uses").fetchone()
            assert pushes == PUSHES + 2, pushes
            for _ in range(100):
                records = sum(len(path.read_text().splitlines()) for path in (HERE / "ocp" / "lake").rglob("*.ndjson"))
                if records == PUSHES:
                    break
                time.sleep(0.1)
            assert records == PUSHES, f"{records} records in the lake"
            print(f"  DuckDB: {read_by_duckdb()}")
            recordings = (HERE / "ocp" / "recordings.ndjson").read_text().splitlines()
            assert len(recordings) == 1 and json.loads(recordings[0])["bytes"] == 300_000, recordings
            print(f"  lake: {records} records, each once, and a recording")
        finally:
            receiver.terminate()
            proxy.terminate()
    assert receiver.returncode == 143, receiver.returncode


if __name__ == "__main__":
    sys.exit(main())
