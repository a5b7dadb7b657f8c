"""Runs the commands of docs/streaming.md, against a receiver and the simulated service.

Run by `scripts/test-ecosystem receiver`, in a directory of its own, with the programs on PATH and
the environment of the service. Only names and places of the page are changed.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path.cwd()
PAGE = (ROOT / "docs" / "streaming.md").read_text()

CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out leaf.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost' > san
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem
cat leaf.pem ca.pem > fullchain.pem
"""


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def placed(text, port, admin):
    """A block of the page, as it is written for this machine."""
    for old, new in [
        ("https://in.example/", f"https://localhost:{port}/"),
        ("0.0.0.0:443", f"127.0.0.1:{port}"),
        ("127.0.0.1:9465", f"127.0.0.1:{admin}"),
        ("/etc/ocp-receive", str(HERE)),
        ("/srv/ocp", f"{HERE}/ocp"),
        (" --region us1", ""),
        ("--from -60d", "--from -4d"),
        # The service of the test is as fast as one likes.
        ("export-fetch ", "export-fetch --poll 50ms --rate 50/1s "),
    ]:
        text = text.replace(old, new)
    return text


def run(script, env):
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{script}\nstatus {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens at {port}")


def main():
    run(CERTIFICATES, os.environ)
    port, admin = free_port(), free_port()
    env = dict(os.environ, SSL_CERT_FILE=str(HERE / "ca.pem"))
    receiver, printed = None, []
    try:
        for language, text in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S):
            text = placed(text, port, admin)
            if language == "toml":
                name = text.splitlines()[0].split()[1].rstrip(",")
                (HERE / name).write_text(text)
                (HERE / name).chmod(0o600)
                continue
            # The command that stays is started, all others end.
            commands = text.replace("\\\n", "").replace("|\n", "| ").splitlines()
            for command in commands:
                if command.startswith("ocp-receive serve"):
                    receiver = subprocess.Popen(["bash", "-c", f"exec {command}"], env=env)
                    wait_for(port)
                else:
                    printed.append((command, run(command, env)))
    finally:
        if receiver:
            receiver.terminate()
    assert receiver.wait() == 143, receiver.returncode
    said = dict(printed)

    def lines(part):
        (command,) = [command for command in said if part in command]
        return [json.loads(line) for line in said[command].splitlines()]

    assert [line["status"] for line in lines("ocp-subscribe probe")] == ["ok"], said
    assert [line["name"] for line in lines("--dry-run")], said
    assert lines("ocp-receive status")[0]["path"] == "acme/dialog_end", said
    filled = lines("export-plan windows")
    assert len(filled) > 24 and {line["status"] for line in filled} == {"filled"}, filled
    print(f"  docs/streaming.md: {len(printed) + 1} commands, {len(filled)} hours filled")


if __name__ == "__main__":
    sys.exit(main())
