"""nginx, as Debian ships it, as the web server in front of a hub: it asks for a password and names the user."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

import requests

from doubles import eventually
from hubs import CHECKOUT, ended
from ports import free_port

NGINX = Path("/usr/sbin/nginx")
# The address that nginx asks the hub's proxy from; browsers of the tests have 127.0.0.1.
ADDRESS = "127.0.0.2"
CONFIG = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{servers}
}}
"""
# A login by password, whose name the hub is told: the locations are those of docs/logins.md.
LOGIN = """\
map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
server {{
  listen 127.0.0.1:{port};
  proxy_bind {address};
{locations}
}}
"""


def locations(**replaced: str) -> str:
    """Return nginx's locations of docs/logins.md with some words replaced, all of which must be there."""
    page = (CHECKOUT / "docs" / "logins.md").read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.*?)```", page, re.DOTALL)
    assert found
    text = found[1]
    for old, new in {"http://192.0.2.20:8000": "hub", "/etc/nginx/users": "users", '"..."': "secret"}.items():
        assert old in text, old
        text = text.replace(old, replaced[new])
    return text


class WebServer:
    """nginx with servers as their configuration says, in a folder; `with` starts and ends it."""

    verify: bool | str = True
    """Whose certificates its browsers trust, if it speaks HTTPS."""

    def __init__(self, folder: Path, url: str, servers: str) -> None:
        self.folder, self.url = folder, url
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, servers=servers), encoding="utf-8")
        # Workers of a root's nginx are nobody.
        folder.chmod(0o755)

    def __enter__(self) -> WebServer:
        command = [NGINX, "-p", self.folder, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"]
        self.process = subprocess.Popen(
            [*command, "-g", "user root;"], stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            eventually(self._answers, what="nginx answers")
        except BaseException:
            ended(self.process)
            raise
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "error.log").read_text(encoding="utf-8")
        with contextlib.suppress(requests.RequestException):
            return (
                "nginx" in requests.get(f"{self.url}/hub/login", timeout=60, verify=self.verify).headers["Server"]
            )
        return False

    def __exit__(self, *_: object) -> None:
        ended(self.process)


class Nginx(WebServer):
    """nginx that asks for a password and names the user."""

    def __init__(self, folder: Path, hub: str, secret: str, people: dict[str, str]) -> None:
        port = free_port()
        given = locations(hub=hub, users=f"{folder}/users", secret=f'"{secret}"')
        login = LOGIN.format(port=port, address=ADDRESS, locations=given)
        super().__init__(folder, f"http://127.0.0.1:{port}", login)
        lines = [f"{name}:{{PLAIN}}{password}\n" for name, password in people.items()]
        (folder / "users").write_text("".join(lines), encoding="utf-8")
        (folder / "users").chmod(0o644)
