"""OpenLDAP's server, as Debian ships it, on loopback with a directory and a certificate of its own."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from certificates import certificates
from doubles import eventually
from hubs import ended
from ports import free_port

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=org"
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
# Without TLS nobody may send a password.
security simple_bind=128
database mdb
suffix "dc=example,dc=org"
directory {folder}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by * none
access to * by users read
"""


def directory(people: dict[str, str], students: list[str]) -> str:
    """Return LDIF: people with their passwords, and the group of students."""
    entries = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n",
        f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n",
        f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n",
    ]
    for uid, password in people.items():
        kind = f"objectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {password}\n"
        entries.append(f"dn: uid={uid},ou=people,{BASE}\n{kind}")
    members = "".join(f"member: uid={uid},ou=people,{BASE}\n" for uid in students)
    entries.append(f"dn: cn=students,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: students\n{members}")
    return "\n".join(entries)


class Slapd:
    """A directory in a folder; `with` starts and ends it."""

    def __init__(self, folder: Path, people: dict[str, str], students: list[str]) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "data").mkdir(parents=True)
        certificates(folder)
        (folder / "slapd.conf").write_text(CONFIG.format(folder=folder), encoding="utf-8")
        (folder / "people.ldif").write_text(directory(people, students), encoding="utf-8")
        load = [SLAPD, "-T", "add", "-f", folder / "slapd.conf", "-l", folder / "people.ldif"]
        subprocess.run(load, check=True, capture_output=True, timeout=30)

    def __enter__(self) -> Slapd:
        command = [SLAPD, "-d", "stats", "-f", self.folder / "slapd.conf", "-h", f"ldap://127.0.0.1:{self.port}"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            eventually(self._listens, what="slapd listens")
        except BaseException:
            ended(self.process)
            raise
        return self

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log[-4000:]
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        ended(self.process)

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")
