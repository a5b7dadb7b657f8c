"""The `aws` command, started once: each use of it is a fork, which costs a tenth of a start.

    aws_server.py DIR       puts an `aws` into DIR that talks to this process

In the Python of awscli. An `aws` that is killed takes its fork with it.
"""

import os
import select
import signal
import socket
import sys
from pathlib import Path

import awscli.clidriver
import awscli.customizations.s3.s3  # noqa: F401, so that no fork has to load it
import botocore.session

CLIENT = """#!/usr/bin/env bash
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' "$PWD" "$AWS_ENDPOINT_URL" "$AWS_SHARED_CREDENTIALS_FILE" "$@" . >&3
read -r -u 3 status
exit "${{status:-1}}"
"""


def use(connection):
    """One use, in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    words = b""
    while not words.endswith(b"\0.\0"):
        more = connection.recv(65536)
        if not more:
            return
        words += more
    place, endpoint, credentials, *args = words.decode().split("\0")[:-2]
    child = os.fork()
    if child == 0:
        os.chdir(place)
        os.environ.update(AWS_ENDPOINT_URL=endpoint, AWS_SHARED_CREDENTIALS_FILE=credentials)
        try:
            status = awscli.clidriver.create_clidriver().main(args)
        except SystemExit as e:
            status = e.code
        os._exit(status or 0)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            return
        # Nothing more comes but the end, if the client is killed.
        if select.select([connection], [], [], 0.005)[0]:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return


def main():
    # Nobody waits for the processes of uses.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Loads what a client needs.
    session = botocore.session.get_session()
    session.create_client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    client = Path(sys.argv[1]) / "aws"
    client.write_text(CLIENT.format(port=listening.getsockname()[1]))
    client.chmod(0o755)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            use(connection)
            os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
