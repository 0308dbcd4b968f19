"""The Alice scenario: each function is a check, whose name is its docstring."""

from __future__ import annotations

import base64
import os
import uuid
from pathlib import Path

import requests
import websocket

from kernelpod.base.names import server_log
from kernelpod.demo.client import TIMEOUT_SECONDS, Kernel, new_session, wait_until
from kernelpod.demo.processes import descendants, reap
from kernelpod.demo.scene import Scene, equal
from kernelpod.demo.watch import Watch

FOLDER = "Meine Übung"


def server_up(scene: Scene) -> None:
    """Alice logs in, a server starts, Lab is served."""
    scene.browser("alice")


def kernelspecs_listed(scene: Scene) -> None:
    """Alice's server lists the gateway's kernelspecs, profiles included."""
    found = scene.browser("alice").api("GET", "kernelspecs").json()["kernelspecs"]
    equal(sorted(found), ["bash-pod", "python-pod", "python-pod.large"])


def kernel_starts_in_folder(scene: Scene) -> None:
    """A notebook in a folder with a space and an umlaut starts a kernel in that folder."""
    alice = scene.browser("alice")
    equal(alice.api("PUT", f"contents/{FOLDER}", {"type": "directory"}).status_code, 201)
    kernel = alice.start_notebook(f"{FOLDER}/a.ipynb", "python-pod")
    scene.kernels["alice"] = kernel
    scene.note_keys()
    equal(kernel.run("import os; print(os.getcwd())").strip(), f"{scene.place('alice')}/{FOLDER}")


def file_of_kernel_seen_by_server(scene: Scene) -> None:
    """A file written by the kernel is seen by the server: same bytes, same owner."""
    content = bytes(range(256))
    scene.kernels["alice"].run("open('from kernel.bin', 'wb').write(bytes(range(256)))")
    model = scene.browser("alice").api("GET", f"contents/{FOLDER}/from kernel.bin?format=base64").json()
    equal(base64.b64decode(model["content"]), content)


def file_of_server_seen_by_kernel(scene: Scene) -> None:
    """A file written by the server is seen by the kernel: same bytes, same owner."""
    body = {"type": "file", "format": "text", "content": "grüße\n"}
    equal(scene.browser("alice").api("PUT", f"contents/{FOLDER}/from server.txt", body).status_code, 201)
    kernel = scene.kernels["alice"]
    equal(kernel.run("print(open('from server.txt', encoding='utf-8').read(), end='')"), "grüße\n")
    owners = {
        (scene.home("alice") / FOLDER / name).stat().st_uid for name in ("from kernel.bin", "from server.txt")
    }
    equal(len(owners), 1)


def environment_is_clean(scene: Scene) -> None:
    """The kernel's environment holds no token and nothing of the gateway's."""
    scene.token("alice")
    found = scene.kernels["alice"].run("print(dict(os.environ))")
    words = ("TOKEN", "JUPYTERHUB", "JUPYTER_GATEWAY", "KERNELPOD", "EG_", *scene.secrets)
    equal([word for word in words if word in found], [])


def interrupt(scene: Scene) -> None:
    """Interrupting `while True: pass` takes less than 2 s."""
    kernel = scene.kernels["alice"]
    cell = kernel.begin("while True: pass")
    alice = scene.browser("alice")
    wait_until(lambda: _state(scene, kernel) == "busy", "the busy kernel")
    watch = Watch()
    equal(alice.api("POST", f"kernels/{kernel.kernel_id}/interrupt").status_code, 204)
    equal(kernel.finish(cell), "KeyboardInterrupt: ")
    watch.within(2)


def _state(scene: Scene, kernel: Kernel) -> str:
    return str(scene.gateway("alice", "GET", f"/api/kernels/{kernel.kernel_id}").json()["execution_state"])


def restart_keeps_files(scene: Scene) -> None:
    """A restart keeps the id, the files and the open websocket, and forgets the variables."""
    kernel = scene.kernels["alice"]
    kernel.run("left = 1")
    answer = scene.browser("alice").api("POST", f"kernels/{kernel.kernel_id}/restart")
    equal((answer.status_code, answer.json()["id"]), (200, kernel.kernel_id))
    scene.note_keys()
    equal(
        kernel.run("import os; print('left' in globals(), os.path.exists('from kernel.bin'))").strip(),
        "False True",
    )


def debugger(scene: Scene) -> None:
    """The debugger answers `initialize`."""
    kernel = scene.kernels["alice"]
    arguments = {"clientID": "demo", "adapterID": "", "pathFormat": "path"}
    content = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    answer = kernel.answer_to(kernel.send("debug_request", content, channel="control"), "debug_reply")
    equal(answer.get("success"), True)


def bash_echoes(scene: Scene) -> None:
    """A kernel that is not Python runs as well."""
    kernel = scene.browser("alice").start_notebook("b.ipynb", "bash-pod")
    scene.note_keys()
    equal(kernel.run("echo $((6 * 7)); pwd").split(), ["42", scene.place("alice")])
    kernel.close()
    equal(scene.browser("alice").api("DELETE", f"kernels/{kernel.kernel_id}").status_code, 204)


def bob_sees_own_home(scene: Scene) -> None:
    """Bob sees his own home only, from his kernel and from his server's terminal."""
    kernel, alices = scene.kernel("bob"), scene.home("alice")
    (scene.home("bob") / "bob was here").touch()
    paths = [str(alices), str(alices.parent)]
    found = kernel.run(f"import os; print([os.path.exists(p) for p in {paths}], os.listdir('.'))")
    equal((found.startswith("[False, False]"), "bob was here" in found, FOLDER in found), (True, True, False))
    equal(scene.browser("bob").terminal(f"ls -d {alices} {alices.parent} 2>/dev/null; ls"), "'bob was here'")


def bob_cannot_touch_alices_kernel(scene: Scene) -> None:
    """Alice's kernel does not exist for bob: GET, DELETE, interrupt, restart, websocket, list."""
    alices = f"/api/kernels/{scene.kernels['alice'].kernel_id}"
    never = f"/api/kernels/{uuid.uuid4()}"
    for method, action in (("GET", ""), ("DELETE", ""), ("POST", "/interrupt"), ("POST", "/restart")):
        answers = [scene.gateway("bob", method, path + action) for path in (alices, never)]
        equal([answer.status_code for answer in answers], [404, 404])
        texts = [
            answer.text.replace(path[-36:], "ID") for answer, path in zip(answers, (alices, never), strict=True)
        ]
        equal(texts[0], texts[1])
    equal(_websocket_status(scene, "bob", f"{alices}/channels"), 404)
    his = scene.kernel("bob").kernel_id
    equal([model["id"] for model in scene.gateway("bob", "GET", "/api/kernels").json()], [his])
    equal(scene.kernels["alice"].run("6 * 7"), "42")


def _websocket_status(scene: Scene, user: str, path: str) -> int:
    url = f"ws{scene.stack.gateway_url.removeprefix('http')}{path}"
    header = [f"Authorization: token {scene.token(user)}"]
    try:
        websocket.create_connection(url, header=header, timeout=TIMEOUT_SECONDS).close()
    except websocket.WebSocketBadStatusException as error:
        return int(error.status_code)
    return 101


def bob_cannot_reach_alices_sockets(scene: Scene) -> None:
    """Bob's kernel can neither open nor subscribe to alice's sockets, even where it knows their path."""
    kernel_id = scene.kernels["alice"].kernel_id.replace("-", "")
    (folder,) = (path for path in scene.starts() if path.name.startswith(kernel_id))
    code = f"""
import os, zmq
socket = zmq.Context.instance().socket(zmq.SUB)
socket.subscribe(b"")
socket.connect("ipc://{folder}/c/s-2")
heard = bool(socket.poll(1000))
socket.close(0)
print(heard, os.path.exists("{folder}"))
"""
    cell = scene.kernel("bob").begin(code)
    scene.kernels["alice"].run("print('secret')")
    equal(scene.kernel("bob").finish(cell).strip(), "False False")


def bob_cannot_forge(scene: Scene) -> None:
    """Bob with KERNEL_USERNAME=alice or alice's KERNEL_PATH gets 403 with a message, and nothing starts."""
    before = scene.starts()
    for env in ({"KERNEL_USERNAME": "alice"}, {"KERNEL_PATH": str(scene.home("alice"))}):
        answer = scene.gateway("bob", "POST", "/api/kernels", {"name": "python-pod", "env": env})
        equal(answer.status_code, 403)
        equal("alice" in answer.json()["message"] and "bob" in answer.json()["message"], True)
    equal(scene.starts(), before)


def token_does_not_open_server(scene: Scene) -> None:
    """The token that the gateway receives cannot open the user's server."""
    headers = {"Authorization": f"token {scene.token('alice')}"}
    alice = scene.browser("alice")
    with new_session(alice.server) as session:
        for path in ("contents", "status", "terminals"):
            url = f"{alice.server}{alice.base}/api/{path}"
            answer = session.get(url, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False)
            equal(answer.status_code, 403)


def no_token_no_answer(scene: Scene) -> None:
    """Without a token, or with a wrong one, every page and the websocket answer 401."""
    paths = ("/api", "/api/kernels", "/api/kernelspecs", "/metrics", "/api/sessions", "/nothing")
    for headers in ({}, {"Authorization": "token wrong"}):
        found = [
            requests.get(scene.stack.gateway_url + path, headers=headers, timeout=9).status_code for path in paths
        ]
        equal(set(found), {401})


def names_agree(scene: Scene) -> None:
    """john.doe, Ünal and a@b.org have homes of their own, the same for server and kernel."""
    homes = set()
    for name in ("john.doe", "ünal", "a@b.org"):
        browser = scene.browser(name)
        kernel = browser.start_notebook("n.ipynb", "python-pod")
        scene.note_keys()
        kernel.run(f"open('who', 'w').write({name!r})")
        equal(browser.api("GET", "contents/who?type=file&format=text").json()["content"], name)
        equal((scene.home(name) / "who").read_text(encoding="utf-8"), name)
        homes.add(scene.home(name))
        kernel.close()
        browser.stop_server()
        del scene.browsers[name]
    equal(len(homes), 3)


def survives_gateway_crash(scene: Scene) -> None:
    """The gateway is killed and started again: a variable set before is read after."""
    kernel = scene.kernels["alice"]
    kernel.run("x = 'still here'")
    kernel.close()
    scene.stack.kill_gateway()
    scene.stack.start_gateway()
    again = scene.browser("alice").connect(kernel.kernel_id)
    scene.kernels["alice"] = again
    equal(again.run("print(x)").strip(), "still here")


def server_stop_takes_kernels(scene: Scene) -> None:
    """Alice's server is stopped: the kernels are gone, the files stay."""
    kernel_id = scene.kernels.pop("alice").kernel_id.replace("-", "")
    scene.browser("alice").stop_server()
    wait_until(
        lambda: not [path for path in scene.starts() if path.name.startswith(kernel_id)],
        "the end of alice's kernel",
    )
    equal((scene.home("alice") / FOLDER / "from server.txt").exists(), True)


def logs_hold_no_secret(scene: Scene) -> None:
    """No log of hub, servers or gateway holds a token, a key or a password."""
    scene.secrets.discard("")
    for log in scene.stack.logs:
        text = log.read_text(encoding="utf-8", errors="replace")
        equal([secret[:4] + "..." for secret in scene.secrets if secret in text], [])
        equal(len(text) > 0, True)
    her_log = scene.stack.logs_folder / server_log("alice")
    equal("is started at the gateway" in her_log.read_text(encoding="utf-8"), True)


def command_lines_hold_no_secret(scene: Scene) -> None:
    """No command line of hub, servers, gateway or kernels holds a token, a key or a password."""
    for pid in descendants(os.getpid()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        equal([secret[:4] + "..." for secret in scene.secrets if secret and secret in words], [])


def no_process_left(scene: Scene) -> None:
    """At the end no process is left."""
    del scene
    reap()
    equal(descendants(os.getpid()), [])


def no_file_left(scene: Scene) -> None:
    """At the end no record, no socket and no temporary file is left."""
    equal([str(path) for path in (scene.stack.state, scene.stack.folder) if path.exists()], [])
