"""MariaDB and PostgreSQL, as Debian ships them, in a folder and on a port of loopback of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pymysql

from doubles import eventually
from hubs import CHECKOUT, ended
from ports import free_port

EXAMPLES = CHECKOUT / "hub" / "databases"
# Characters that a URL needs escaped.
PASSWORD = "ge/he:im@50%"
SECONDS = 60


def unprivileged() -> list[str]:
    """Return the words before a command that root must not run."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


class Server:
    """A database server; `with` makes its folder, starts it, makes the hub's database, and removes everything."""

    scheme = ""
    options = ""
    farewell = signal.SIGTERM

    def __enter__(self) -> Server:
        self.port = free_port()
        # Not below pytest's folders, which nobody but their owner may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="kernelpod-database-"))
        try:
            if unprivileged():
                os.chown(self.folder, 65534, 65534)
            self.make()
            self.start()
            self._prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, password: str = PASSWORD) -> str:
        """Return what the hub is told."""
        place = f"127.0.0.1:{self.port}/jupyterhub"
        return f"{self.scheme}://jupyterhub:{quote(password, safe='')}@{place}?{self.options}"

    def stop(self) -> None:
        """End the server, if it runs; what it stores stays."""
        if process := getattr(self, "process", None):
            # PostgreSQL would wait for its clients if it were asked by SIGTERM.
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                process.send_signal(self.farewell)
                process.wait(timeout=SECONDS)
            ended(process)

    def start(self) -> None:
        """Start the server and return when it takes connections."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*unprivileged(), *self.command()], cwd="/", stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, what="the database answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")[-4000:]
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        # PostgreSQL listens before it is ready.
        with contextlib.suppress(psycopg2.OperationalError):
            self.administrator().close()
            return True
        return False

    def _run(self, *command: Any) -> None:
        subprocess.run([*unprivileged(), *command], check=True, capture_output=True, cwd="/", timeout=SECONDS)

    def _prepare(self) -> None:
        """Do what hub/databases says to the administrator, with the password of the tests."""
        text = (EXAMPLES / f"{type(self).__name__.lower()}.sql").read_text(encoding="utf-8")
        text = re.sub("^--.*", "", text, flags=re.MULTILINE).replace("'PASSWORD'", f"'{PASSWORD}'")
        connection = self.administrator()
        with contextlib.closing(connection), connection.cursor() as cursor:
            for statement in filter(str.strip, text.split(";")):
                cursor.execute(statement)

    def make(self) -> None:
        """Write the server's own files."""
        raise NotImplementedError

    def command(self) -> list[Any]:
        """Return the words that start it."""
        raise NotImplementedError

    def administrator(self) -> Any:
        """Return a connection that may do everything, each statement at once."""
        raise NotImplementedError


class MariaDB(Server):
    """MariaDB; its administrator has no password, on its socket only."""

    scheme, options = "mysql+pymysql", "charset=utf8mb4&connect_timeout=5"
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    package = "mariadb-server-core mariadb-client-core"

    def make(self) -> None:
        """Write the server's own tables."""
        words = ["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]
        self._run("mariadb-install-db", *words, f"--datadir={self.folder}/data")

    def command(self) -> list[Any]:
        """Return the words that start it."""
        places = [
            f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket",
            f"--pid-file={self.folder}/pid",
        ]
        fast = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
        return [self.program, "--no-defaults", *places, *fast, f"--port={self.port}", "--bind-address=127.0.0.1"]

    def administrator(self) -> Any:
        """Return a connection that may do everything, each statement at once."""
        return pymysql.connect(user="root", unix_socket=f"{self.folder}/socket", autocommit=True)


class PostgreSQL(Server):
    """PostgreSQL; its administrator has no password, on its socket only."""

    scheme, options = "postgresql+psycopg2", "connect_timeout=5"
    farewell = signal.SIGINT
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    program = shutil.which("postgres", path=str(folders[-1])) if folders else None
    package = "postgresql"

    def make(self) -> None:
        """Write the server's own tables."""
        words = ["--auth-local=trust", "--auth-host=scram-sha-256", "--username=postgres", "--no-sync"]
        self._run(
            Path(str(self.program)).parent / "initdb", *words, "--locale=C.UTF-8", "-D", self.folder / "data"
        )

    def command(self) -> list[Any]:
        """Return the words that start it."""
        words = {"unix_socket_directories": self.folder, "listen_addresses": "127.0.0.1", "fsync": "off"}
        given = [f"--{key}={value}" for key, value in words.items()]
        return [self.program, "-D", self.folder / "data", "-p", str(self.port), *given]

    def administrator(self) -> Any:
        """Return a connection that may do everything, each statement at once."""
        connection = psycopg2.connect(user="postgres", host=str(self.folder), port=self.port, dbname="postgres")
        connection.autocommit = True
        return connection
