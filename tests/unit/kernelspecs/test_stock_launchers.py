"""The launchers for a stock Enterprise Gateway: what is refused, what the pod holds, what the gateway is told."""

from __future__ import annotations

import base64
import importlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kernelpod.kernelspecs.stock.signed_identity import SignedIdentity, sign_identity

LAUNCHERS = Path(__file__).parents[3] / "launchers"
STOCK = LAUNCHERS / "stock"
KEY = "k" * 32
NOW = 1_800_000_000
ALICE = SignedIdentity("alice", "", "/homes/alice", 1000, 100, NOW + 60)
SETTINGS = json.loads((STOCK / "settings.json").read_bytes())
SPEC = json.loads((STOCK / "python-pod" / "kernel.json").read_bytes())
KERNEL_ID = "8bb1d4c1-6a3f-4a24-a8a1-0d6a1b3ad4cf"
PVC = SETTINGS["homes"] | {"volume": {"kind": "pvc", "claim": "homes"}}


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, Any]]:
    """The two launchers, imported as the gateway and the pod run them."""
    names = ("launch_kubernetes", "kernel_launcher")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LAUNCHERS))
        yield {name: importlib.import_module(name) for name in names}
    for name in (*names, "signed_identity"):
        sys.modules.pop(name, None)


@pytest.fixture
def launch(modules: dict[str, Any]) -> Any:
    """launch_kubernetes.py."""
    return modules["launch_kubernetes"]


@pytest.fixture
def launcher(modules: dict[str, Any]) -> Any:
    """kernel_launcher.py."""
    return modules["kernel_launcher"]


def wish(signed: SignedIdentity = ALICE, **env: str) -> dict[str, str]:
    """Return the launcher's environment when a client sends a claim."""
    return {"KERNELPOD_IDENTITY_KEY": KEY, "KERNEL_SIGNED_IDENTITY": sign_identity(KEY, signed), **env}


def pod(
    launch: Any, signed: SignedIdentity = ALICE, homes: dict[str, Any] | None = None, **env: str
) -> dict[str, Any]:
    """Return the pod of a kernel of alice's."""
    start = launch.Start(STOCK / "python-pod", KERNEL_ID, "10.1.2.3:8877", "cHVibGlj")
    settings = SETTINGS | ({"homes": homes} if homes else {})
    made: dict[str, Any] = launch.kernel_pod(start, SPEC, settings, signed, wish(signed, **env))
    return made


def test_a_start_loads_little() -> None:
    """A gateway runs it for every start; measured, these modules are what made the stock launcher slow."""
    slow = ["kubernetes", "urllib3", "requests", "asyncio", "pydantic", "kernelpod", "dataclasses"]
    code = f"import sys, launch_kubernetes; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=LAUNCHERS, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


REFUSALS = {
    "no key": ({"KERNELPOD_IDENTITY_KEY": ""}, "The gateway has no KERNELPOD_IDENTITY_KEY"),
    "no signed identity": ({"KERNEL_SIGNED_IDENTITY": ""}, "No KERNEL_SIGNED_IDENTITY came with this start"),
    "a forged signed identity": (
        {"KERNEL_SIGNED_IDENTITY": sign_identity("f" * 32, ALICE)},
        "not made by this gateway's hub",
    ),
    "an old signed identity": (
        {"KERNEL_SIGNED_IDENTITY": sign_identity(KEY, ALICE._replace(expires=NOW))},
        "has expired",
    ),
    "another's home": ({"KERNEL_PATH": "/homes/bob"}, "KERNEL_PATH is '/homes/bob', but the home of 'alice'"),
    "another's name": (
        {"KERNEL_USERNAME": "bob"},
        "KERNEL_USERNAME is 'bob', but your server's signed identity is for",
    ),
}


@pytest.mark.parametrize(("env", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_start_that_proves_nothing_is_refused(launch: Any, env: dict[str, str], said: str) -> None:
    with pytest.raises((launch.Refused, launch.SignedIdentityError)) as caught:
        launch.proven(wish() | env, SETTINGS, NOW)
    assert said in str(caught.value)


def test_what_agrees_with_the_signed_identity_is_fine(launch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch.proven(wish(), SETTINGS, NOW) == ALICE
    assert launch.proven(wish(KERNEL_PATH="/homes/alice", KERNEL_USERNAME="alice"), SETTINGS, NOW) == ALICE
    monkeypatch.setattr(launch, "account", lambda: "jovyan")
    assert launch.proven(wish(KERNEL_USERNAME="jovyan"), SETTINGS, NOW) == ALICE


@pytest.mark.parametrize("path", ["/etc", "/homes", "/homes/../etc", "/homesick/alice", "homes/alice"])
def test_a_home_outside_of_the_root_is_refused(launch: Any, path: str) -> None:
    with pytest.raises(launch.Refused, match="is not below '/homes'"):
        launch.proven(wish(ALICE._replace(path=path)), SETTINGS, NOW)


def test_the_namespace_is_the_kernelspecs(launch: Any) -> None:
    assert launch.placed(SPEC, {"KERNEL_NAMESPACE": "kernels"}) == "kernels"
    with pytest.raises(launch.Failed, match="KERNEL_NAMESPACE is 'kube-system'"):
        launch.placed(SPEC, {"KERNEL_NAMESPACE": "kube-system"})


def test_the_home_is_the_only_volume(launch: Any) -> None:
    hostile = {"KERNEL_VOLUMES": '[{"name": "all", "hostPath": {"path": "/"}}]', "KERNEL_UID": "0"}
    spec = pod(launch, **hostile)["spec"]
    assert spec["volumes"] == [
        {"name": "home", "nfs": {"server": "nfs.example.org", "path": "/homes/alice"}},
    ]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "home", "mountPath": "/home/jovyan"}]
    assert (spec["securityContext"]["runAsUser"], spec["automountServiceAccountToken"]) == (1000, False)
    spec = pod(launch, homes=PVC)["spec"]
    assert spec["volumes"] == [{"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}]
    assert spec["containers"][0]["volumeMounts"][0]["subPath"] == "alice"


def test_enterprise_gateway_finds_the_pod(launch: Any) -> None:
    metadata = pod(launch)["metadata"]
    assert metadata["labels"] == {"app": "enterprise-gateway", "component": "kernel", "kernel_id": KERNEL_ID}
    assert len(metadata["name"]) <= 63


def test_neither_key_nor_signed_identity_nor_wishes_reach_the_pod(launch: Any) -> None:
    text = json.dumps(pod(launch, KERNEL_SECRET="do not pass on"))
    assert not [word for word in (KEY, wish()["KERNEL_SIGNED_IDENTITY"], "do not pass on") if word in text]


@pytest.mark.parametrize("user", ['"}]}', "{{ 1/0 }}", "a: b\n- c", "$(HOME)", "\N{SNOWMAN}\U0001f600\x85", "%s"])
def test_a_name_stays_a_name(launch: Any, user: str) -> None:
    made = pod(launch, ALICE._replace(user=user))
    env = {each["name"]: each["value"] for each in made["spec"]["containers"][0]["env"]}
    assert env["USER"].replace("$$", "$") == user
    assert made["metadata"]["annotations"]["kernelpod.io/username"] == user
    assert made.keys() == pod(launch).keys()


def test_the_order_survives_kubelets_expansion(launch: Any, launcher: Any) -> None:
    command = pod(launch)["spec"]["containers"][0]["command"]
    python, option, source, order = (word.replace("$$", "$") for word in command)
    assert (python, option) == ("python3", "-c")
    assert source == Path(launcher.__file__).read_text(encoding="utf-8")
    told = json.loads(order)
    assert told["argv"] == ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert (told["kernel_id"], told["response_address"], told["public_key"]) == (
        KERNEL_ID,
        "10.1.2.3:8877",
        "cHVibGlj",
    )


WORKING_DIRS = {
    "/home/jovyan/course": "/home/jovyan/course",
    "/home/jovyan/../bob": "/home/jovyan",
    "/etc": "/home/jovyan",
}


@pytest.mark.parametrize(("asked", "given"), WORKING_DIRS.items())
def test_a_kernel_starts_in_a_folder_of_the_home(launch: Any, asked: str, given: str) -> None:
    assert launch.working_dir("/home/jovyan", {"KERNEL_WORKING_DIR": asked}) == given


def test_a_refusal_runs_without_volumes_as_nobody(launch: Any) -> None:
    start = launch.Start(STOCK / "python-pod", KERNEL_ID, "10.1.2.3:8877", "cHVibGlj")
    spec = launch.refusal_pod(start, SPEC, "No.")["spec"]
    assert (spec["volumes"], spec["securityContext"]["runAsUser"]) == ([], 65534)
    assert json.loads(spec["containers"][0]["command"][3])["refusal"] == "No."


def test_a_mistake_is_one_line_in_the_gateways_log(
    launch: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(STOCK / "python-pod" / "kernel.json", tmp_path)
    assert launch.main([str(tmp_path), "not an id", "h:1", "k"], {}) == 1
    assert launch.main([str(tmp_path / "missing"), KERNEL_ID, "h:1", "k"], {}) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("the kernel's pod was not created: ") for line in lines)


class Api(BaseHTTPRequestHandler):
    """An API server that gives one answer."""

    status, body = 201, b"{}"
    asked: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], sent))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api(launch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a pod whose API server is `Api`, without TLS."""
    (tmp_path / "token").write_text("word\n", encoding="ascii")
    monkeypatch.setattr(launch, "ACCOUNT", tmp_path)
    monkeypatch.setattr(launch.ssl, "create_default_context", lambda **_: None)
    plain = launch.http.client.HTTPConnection
    secure = lambda host, port, timeout, **_: plain(host, port, timeout=timeout)  # noqa: E731
    monkeypatch.setattr(launch.http.client, "HTTPSConnection", secure)
    Api.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.server_address[1])}
        server.shutdown()
        thread.join()


def test_the_pod_is_created_with_the_gateways_account(launch: Any, api: dict[str, str]) -> None:
    launch.create({"kind": "Pod"}, "kernels", api)
    assert Api.asked == [("/api/v1/namespaces/kernels/pods", "Bearer word", {"kind": "Pod"})]


@pytest.mark.parametrize(
    ("body", "said"), [(b'{"message": "exceeded quota"}', "exceeded quota"), (b"<html>", "html")]
)
def test_the_api_servers_words_reach_the_log(
    launch: Any, api: dict[str, str], monkeypatch: pytest.MonkeyPatch, body: bytes, said: str
) -> None:
    monkeypatch.setattr(Api, "status", 403)
    monkeypatch.setattr(Api, "body", body)
    with pytest.raises(launch.Failed, match=f"the API server answered 403: .*{said}"):
        launch.create({"kind": "Pod"}, "kernels", api)


def test_the_kernel_launchers_aes_is_the_standards(launcher: Any) -> None:
    """FIPS 197, appendix C.1."""
    key, block = bytes(range(16)), bytes.fromhex("00112233445566778899aabbccddeeff")
    assert launcher.aes_encrypt(key, block)[:16].hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"


class Told:
    """A gateway's response port: keeps the first connection that it is told."""

    def __init__(self) -> None:
        rsa = pytest.importorskip("Cryptodome.PublicKey.RSA")
        self._key = rsa.generate(1024)
        pem = self._key.publickey().export_key("PEM").decode()
        self.public_key = "".join(line for line in pem.splitlines() if not line.startswith("-"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._data = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._socket, self._socket.accept()[0] as caller:
            while chunk := caller.recv(65536):
                self._data += chunk

    def connection(self) -> dict[str, Any]:
        """Return it, decrypted with the library that Enterprise Gateway uses."""
        aes = importlib.import_module("Cryptodome.Cipher.AES")
        pkcs1 = importlib.import_module("Cryptodome.Cipher.PKCS1_v1_5")
        padding = importlib.import_module("Cryptodome.Util.Padding")
        self._thread.join(10)
        payload = json.loads(base64.b64decode(self._data))
        assert payload["version"] == 1
        key = pkcs1.new(self._key).decrypt(base64.b64decode(payload["key"]), b"")
        text = padding.unpad(aes.new(key, aes.MODE_ECB).decrypt(base64.b64decode(payload["conn_info"])), 16)
        told: dict[str, Any] = json.loads(text)
        return told


def test_a_refusal_is_told_to_the_gateway(launcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "REFUSED_SECONDS", 0)
    gateway = Told()
    order = {"kernel_id": KERNEL_ID, "response_address": gateway.address, "public_key": gateway.public_key}
    assert launcher.main({**order, "refusal": "Não."}) == 1
    assert gateway.connection() == {"kernel_id": KERNEL_ID, "signature_scheme": "Não."}


CRASHES = {
    "ends at once": ([sys.executable, "-c", "raise SystemExit('no disk left')"], "no disk left"),
    "says nothing": ([sys.executable, "-c", "pass"], "no output"),
    "is missing": (["/no/such/kernel"], "The kernel's command cannot be started"),
}


@pytest.mark.parametrize(("argv", "said"), CRASHES.values(), ids=CRASHES)
def test_why_a_kernel_does_not_start_is_told_to_the_gateway(
    launcher: Any, monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    monkeypatch.setattr(launcher, "REFUSED_SECONDS", 0)
    monkeypatch.setattr(launcher, "COMM_PORT", 0)
    monkeypatch.setattr(launcher.signal, "signal", lambda *_: None)
    gateway = Told()
    order = {"kernel_id": KERNEL_ID, "response_address": gateway.address, "public_key": gateway.public_key}
    assert launcher.main({**order, "argv": argv, "working_dir": "/"}) == 1
    assert said in gateway.connection()["signature_scheme"]
