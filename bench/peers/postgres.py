"""A PostgreSQL server of the benchmark's own, with its defaults: `fsync=on`, `synchronous_commit=on`, `full_page_writes=on`."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
from pathlib import Path


class Missing(Exception):
    """There is no PostgreSQL here, or none that can be started."""


def program(name: str) -> str:
    """Where Debian puts server programs is on nobody's path."""
    found = shutil.which(name)
    if found is None:
        folders = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        if not folders:
            raise Missing(f"`{name}` was not found: install a PostgreSQL server")
        found = str(folders[-1])
    return found


class Postgres:
    def __init__(self, folder: Path) -> None:
        programs = [program(name) for name in ("initdb", "pg_ctl", "createdb", "psql")]
        self.initdb, self.pg_ctl, self.createdb, self.psql = programs
        self.folder = folder
        # PostgreSQL refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if self.user:
            try:
                os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
            except KeyError:
                raise Missing("PostgreSQL does not run as root, and there is no user `postgres`") from None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.databases = 0
        # Others on this machine may not use it.
        self.password = secrets.token_hex(16)
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self.user:
            os.chown(secret, pwd.getpwnam(self.user).pw_uid, -1)
        self.call(self.initdb, "-D", "data", "-A", "scram-sha-256", "--pwfile", secret.name, "-U", "postgres", "--no-instructions")
        self.runs = False
        self.start()

    def start(self) -> None:
        if not self.runs:
            options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
            self.call(self.pg_ctl, "-D", "data", "-l", "log", "-o", options, "-w", "start")
            self.runs = True

    def call(self, *command: str) -> str:
        """What it printed: into a file, because a server that it starts would keep a pipe open."""
        environment = os.environ | {"PGPASSWORD": self.password}
        with open(self.folder / "said", "w+") as said:
            done = subprocess.run(
                command, env=environment, cwd=self.folder, user=self.user, stdout=said, stderr=subprocess.PIPE, text=True, check=False
            )
            if done.returncode != 0:
                raise Missing(f"`{command[0]}` failed: {done.stderr.strip()}")
            said.seek(0)
            return said.read()

    def database(self) -> str:
        """The address of a new database."""
        self.start()
        self.databases += 1
        name = f"trial{self.databases}"
        self.call(self.createdb, "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{name}"

    def size(self, database: str) -> int:
        """Bytes of the database at an address, without the log that all of them share."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database.rpartition("/")[2]]
        return int(self.call(self.psql, *where, "-A", "-t", "-c", "SELECT pg_database_size(current_database())"))

    def stop(self) -> None:
        """With all that it has left to write, so that nobody else has to wait for that."""
        if self.runs:
            self.call(self.pg_ctl, "-D", "data", "-m", "fast", "-w", "stop")
            self.runs = False
