"""Compares ocp-receive with a server that stores nothing, and with Vector if it is on PATH."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid

from common import Table

CERTIFICATES = """
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=bench-ca
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out leaf.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > san
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out fullchain.pem
"""
SECRET = "bench-secret"
SECONDS = 8


def free_port():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise SystemExit(f"bench: nothing listens at {port}")


@contextlib.contextmanager
def running(command, **where):
    process = subprocess.Popen(list(map(str, command)), **where)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def push(port, path, authorization, place, seconds=SECONDS, connections=64, rate=None):
    command = ["push_yardstick", "push", f"127.0.0.1:{port}", path, authorization, place / "ca.pem",
               "--connections", connections, "--seconds", seconds, *(["--rate", rate] if rate else [])]
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def token(port, place):
    """The header value with a token. curl requests it and trusts the certificate authority of this
    measurement."""
    done = subprocess.run(
        ["curl", "-sS", "--fail", "--cacert", place / "ca.pem", "-u", f"a:{SECRET}", "-d", "grant_type=client_credentials",
         f"https://localhost:{port}/oauth2/token"], check=True, stdout=subprocess.PIPE)
    return "Bearer " + json.loads(done.stdout)["access_token"]


def resident(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def slow_clients(port, count):
    """Opens `count` connections that begin a TLS handshake and then send nothing."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for one in sockets:
        one.sendall(b"\x16\x03\x01")
    return sockets


def half_load(port, path, bearer, place, rate):
    """The p99 in ms at this rate, and the p99 with slow clients divided by it. All turns end before the
    first publishing, which would disturb one of them."""
    alone = push(port, path, bearer, place, SECONDS // 2, rate=rate)["p99_ms"]
    slow = slow_clients(port, 100)
    beside = push(port, path, bearer, place, SECONDS // 2, rate=rate)["p99_ms"]
    for one in slow:
        one.close()
    return alone, beside / alone


def each(figures):
    return " ".join(f"{figure:.2f}" for figure in figures)


def record(port, bearer, place, number):
    """Pushes a recording in chunks, like the vendor, over a separate connection."""
    orn = f"storage:bench:{uuid.uuid4()}:wcr:s3:eu-west-1:2026/01/02/03/{number:040x}.1767322800000.{number:032x}.wav"
    (place / f"head-{number}").write_text(
        f"Content-Type: application/octet-stream\nTransfer-Encoding: chunked\nX-OML-ORN: {orn}\nAuthorization: {bearer}\n")
    return subprocess.Popen(
        ["curl", "-sS", "--fail", "--cacert", place / "ca.pem", "-X", "POST", "-H", f"@{place}/head-{number}",
         "-T", place / "call.wav", f"https://localhost:{port}/push/acme/recording"], stdout=subprocess.DEVNULL)


def recording_rate(port, bearer, place, mib=256, connections=2):
    """How many MB of recordings the receiver stores and answers in a second."""
    size = mib << 20
    with open(place / "call.wav", "wb") as file:
        # PCM with 8 kHz, 16 bits and one channel.
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size - 8, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16,
                               b"data", size - 44))
        while file.tell() < size:
            file.write(os.urandom(min(1 << 20, size - file.tell())))
    began = time.monotonic()
    pushes = [record(port, bearer, place, number) for number in range(connections)]
    if any(push.wait() for push in pushes):
        raise SystemExit("bench: the push of a recording failed")
    return connections * size / 1e6 / (time.monotonic() - began)


def oldest_unpublished(admin):
    """The age in seconds of the oldest push that is not in the lake yet, from the receiver's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith("ocp_receive_oldest_unpublished_seconds "):
                return float(line.split()[1])
    return 0.0


def sync_rate(place):
    """How many syncs of a small append the disk does in a second."""
    with open(place / "sync", "ab", buffering=0) as file:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < 1:
            file.write(b"x" * 6000)
            os.fdatasync(file.fileno())
            count += 1
    return count


def bare(place, rounds):
    with running(["push_yardstick", "serve", place / "fullchain.pem", place / "key.pem"],
                 stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        return max(push(port, "/", "-", place)["per_second"] for _ in range(rounds))


def behind(command, place, every=5, seconds=20):
    """How late publishing is while pushes arrive, in multiples of the time between two publishings."""
    admin, port = free_port(), free_port()
    command = [*command, "--admin", f"127.0.0.1:{admin}", "--publish-every", f"{every}s"]
    command[command.index("--listen") + 1] = f"127.0.0.1:{port}"
    # A separate directory, so that the pushes of earlier runs do not count.
    command[command.index("--dir") + 1] = place / "behind"
    worst, done = 0.0, threading.Event()
    with running(command, stdout=subprocess.DEVNULL):
        wait_for(port)
        bearer = token(port, place)
        pushing = threading.Thread(
            target=lambda: (push(port, "/push/acme/dialog_end", bearer, place, seconds=seconds, rate=5000), done.set()))
        pushing.start()
        while not done.wait(0.5):
            worst = max(worst, oldest_unpublished(admin))
        pushing.join()
    return worst / every


def vector(place, rounds):
    if not shutil.which("vector"):
        return None
    port = free_port()
    (place / "vector.yaml").write_text(f"""
data_dir: {place}
sources:
  in: {{type: http_server, address: "127.0.0.1:{port}", encoding: json, path: /, strict_path: false,
       tls: {{enabled: true, crt_file: {place}/fullchain.pem, key_file: {place}/key.pem}}}}
sinks:
  out: {{type: file, inputs: [in], path: "{place}/vector.ndjson", encoding: {{codec: json}},
        buffer: {{type: disk, max_size: 1073741824}}, acknowledgements: {{enabled: true}}}}
""")
    with running(["vector", "--quiet", "--config", place / "vector.yaml"]):
        wait_for(port)
        return max(push(port, "/", "-", place)["per_second"] for _ in range(rounds))


def measure(rounds, _mib):
    rounds = min(rounds, 3)
    table = Table("ocp-receive: pushes of 6 KB with TLS over 64 connections, each reply after its sync")
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as directory:
        place = pathlib.Path(directory)
        subprocess.run(["bash", "-euc", CERTIFICATES], cwd=place, check=True, capture_output=True)
        (place / "secret").write_text(SECRET)
        (place / "clients.toml").write_text(
            f'[[client]]\nid = "a"\nsecret_file = "{place}/secret"\npaths = ["/push/acme/*"]\n')
        for name in ("secret", "clients.toml"):
            (place / name).chmod(0o600)
        limit = bare(place, rounds)
        syncs = sync_rate(place)
        port = free_port()
        command = ["ocp-receive", "serve", "--listen", f"127.0.0.1:{port}", "--cert", place / "fullchain.pem",
                   "--key", place / "key.pem", "--clients", place / "clients.toml", "--dir", place / "ocp",
                   "--min-free", "100M", "--drain", "0s"]
        with running(command, stdout=subprocess.DEVNULL) as receiver:
            wait_for(port)
            bearer, path = token(port, place), "/push/acme/dialog_end"
            best = max((push(port, path, bearer, place) for _ in range(rounds)), key=lambda run: run["per_second"])
            rate = best["per_second"]
            table.line("pushes a second", rate, "/s", ("≥", min(5000, syncs * 64)), f"{syncs} syncs a second")
            table.at_least("of the bare server that stores nothing", rate / limit, 0.5, f"{limit:.0f}/s")
            # The runs alternate, because even two runs without slow clients differ by a fifth.
            turns = [half_load(port, path, bearer, place, rate / 2) for _ in range(rounds)]
            alone, ratios = zip(*turns)
            table.at_most("p99 at half of that", statistics.median(alone), 50, unit="ms")
            table.at_most("p99 beside 100 slow clients, of that", statistics.median(ratios), 1.2, each(ratios))
            table.line("recordings, over two connections", recording_rate(port, bearer, place), "MB/s", ("≥", 200))
        with running(command, stdout=subprocess.DEVNULL) as receiver:
            wait_for(port)
            # Each connection pushes once in ten seconds, and is idle in between.
            idle = ["push_yardstick", "push", f"127.0.0.1:{port}", path, token(port, place), place / "ca.pem",
                    "--connections", 500, "--seconds", 12, "--rate", 50]
            with running(idle, stdout=subprocess.DEVNULL):
                time.sleep(11)
                table.at_most("memory with 500 idle connections", resident(receiver), 64, unit="MiB")
        table.at_most("oldest unpublished push at 5 000 a second, of --publish-every", behind(command, place), 2)
        other = vector(place, rounds)
        if other:
            table.at_least("of Vector, http_server to a file over a disk buffer", rate / other, 1.0, f"{other:.0f}/s")
        else:
            print("Vector is not on PATH: left out")
    return table.met
