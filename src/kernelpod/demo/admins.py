"""The scenario's checks of what admins do and see: each function is a check, whose name is its docstring."""

from __future__ import annotations

import re

import websocket

from kernelpod.audit import AuditLine
from kernelpod.demo.client import TIMEOUT_SECONDS, Browser, new_session
from kernelpod.demo.config import ADMIN
from kernelpod.demo.scene import Scene, equal
from kernelpod.demo.watch import Watch


def admin_revokes_mallory(scene: Scene) -> None:
    """An admin revokes mallory: tokens, server, kernel and websocket end within 5 s, and bob works on."""
    mallory, kernel = scene.browser("mallory"), scene.kernel("mallory")
    bobs, kernel_id = scene.kernel("bob"), kernel.kernel_id.replace("-", "")
    headers = {"Authorization": f"token {scene.token('mallory')}"}
    url = f"{scene.stack.gateway_url}/api/kernels/{kernel.kernel_id}/channels"
    direct = websocket.create_connection(url.replace("http", "ws", 1), header=headers, timeout=TIMEOUT_SECONDS)
    watch = Watch()
    said = scene.stack.revoke("mallory")
    opcode, data = direct.recv_data()
    while opcode != websocket.ABNF.OPCODE_CLOSE:
        opcode, data = direct.recv_data()
    equal(int.from_bytes(data[:2], "big"), 1008)
    equal([path for path in scene.starts() if path.name.startswith(kernel_id)], [])
    equal(mallory.has_server(), False)
    watch.within(5, said)
    equal(scene.gateway("mallory", "POST", "/api/kernels", {"name": "python-pod"}).status_code, 401)
    with new_session(scene.stack.url) as session:
        user = f"{scene.stack.url}/hub/api/user"
        equal(session.get(user, headers=headers, timeout=TIMEOUT_SECONDS).status_code, 403)
    equal(bobs.run("6 * 7"), "42")


def admin_revokes_on_the_hubs_page(scene: Scene) -> None:
    """Mallory is back. An admin revokes them on a page of the hub: logins, server and kernel end within 5 s."""
    scene.browsers.pop("mallory").close()
    scene.kernels.pop("mallory").close()
    mallory, kernel = scene.browser("mallory"), scene.kernel("mallory")
    admin = Browser(scene.stack.url, ADMIN)
    admin.login(scene.stack.admin_password)
    watch = Watch()
    page = admin.submit("/hub/kernelpod/revoke", user="mallory").text
    watch.within(5, page)
    admin.close()
    told = re.findall(r'data-step="(\w+)" data-outcome="(\w+)"', page)
    equal(told, [(step, "done") for step in ("logins", "tokens", "servers", "gateway")])
    equal([path for path in scene.starts() if path.name.startswith(kernel.kernel_id.replace("-", ""))], [])
    with new_session(scene.stack.url) as session:
        session.cookies.update(mallory.session.cookies)
        home = session.get(f"{scene.stack.url}/hub/home", timeout=TIMEOUT_SECONDS, allow_redirects=False)
    equal((home.status_code, "/hub/login" in home.headers.get("Location", "")), (302, True))


def audit_log_tells(scene: Scene) -> None:
    """The audit log tells of logins, starts, stops, denials and the gateway's crash; each line fits the schema."""
    texts = scene.stack.audit.read_text(encoding="ascii").splitlines()
    lines = [AuditLine.model_validate_json(text) for text in texts]
    told = {(line.action, line.outcome, line.who.name if line.who else None) for line in lines}
    wanted: set[tuple[str, str, str | None]] = {
        ("start", "done", "alice"), ("stop", "done", "alice"), ("restart", "done", "alice"),
        ("connect", "denied", "bob"), ("read", "denied", None), ("takeover", "done", ""), ("adopt", "done", ""),
        ("revoke", "done", "kernelpod-admin"), ("revoke", "done", ADMIN), ("login", "done", "alice"),
        ("server_start", "done", "alice"),
    }  # fmt: skip
    equal(sorted(map(str, wanted - told)), [])
