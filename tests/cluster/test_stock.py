"""Kernelpod's launchers under a stock Enterprise Gateway 3.3.0, installed by its own chart.

`python -m bench.stock_cluster` builds the images; `make test-cluster` runs it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kube
import pytest
import yaml
from bench.stock_cluster import GATEWAY_IMAGE, IPYKERNEL6_IMAGE, chart
from cluster_site import GID, IMAGES, NFS_FOLDER, NFS_PATH, NFS_SERVER, UID, claim_on

from client import Caller
from doubles import eventually
from kernelpod.base import shipped
from kernelpod.kernelspecs.stock.signed_identity import SignedIdentity, sign_identity
from ports import free_port

LAUNCHERS = Path(__file__).parents[2] / "launchers"
SERVER = LAUNCHERS.parent / ".envs" / "hub" / "bin" / "jupyter-server"
KEY = secrets.token_hex(32)
HELM_SECONDS = 180
DAY = 24 * 3600


@dataclass(frozen=True)
class Stock:
    """A stock gateway, and the namespace and homes of its kernels."""

    caller: Caller
    namespace: str
    export: str
    homes: Path

    def claim(self, user: str = "alice") -> SignedIdentity:
        """Return what the hub would claim for a user's default server."""
        return SignedIdentity(user, "", f"{self.export}/{user}", UID, GID, int(time.time()) + DAY)

    def wish(self, claim: SignedIdentity | None = None, **env: str) -> dict[str, str]:
        """Return the environment that a server sends."""
        mine = claim or self.claim()
        return {"KERNEL_PATH": mine.path, "KERNEL_SIGNED_IDENTITY": sign_identity(KEY, mine)} | env

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of kernels."""
        return kube.items("pods", self.namespace)

    def refused(self, **env: str) -> str:
        """Return the reason that a user reads, of a start that leaves no pod behind."""
        answer = self.caller.post("python-pod", **env)
        assert answer.status_code == 500, answer.text
        eventually(lambda: not self.pods(), what="no pod is left")
        return str(answer.json()["reason"])


def publish(folder: Path, namespace: str, export: str, volume: dict[str, str], made: Path) -> None:
    """Put on the kernelspecs' volume what docs/stock.md says, with this cluster's names, by the command line."""
    settings = {
        "hubs": [{"api_url": "http://hub.example/hub/api"}],
        "homes": {"root": export, "volume": volume},
        "runtime": {"kind": "kubernetes", "kubernetes": {"namespace": namespace}},
    }
    (made / "settings.yaml").write_text(json.dumps(settings), encoding="utf-8")
    for name, image in (("python-pod", "kernel-python"), ("bash-pod", "kernel-bash")):
        shutil.copytree(shipped.kernelspecs() / name, made / "specs" / name)
        change(made / "specs" / name, name, image=IMAGES.format(image))
    for name in ("ipykernel6", "broken"):
        shutil.copytree(made / "specs" / "python-pod", made / "specs" / name)
        change(made / "specs" / name, name, image=IPYKERNEL6_IMAGE, profiles={})
    change(made / "specs" / "broken", "broken", argv=["python", "-m", "no_such_kernel", "{connection_file}"])
    site = ("--settings", str(made / "settings.yaml"))
    specs("build", "--stock", "--source", str(made / "specs"), "--into", str(made / "stock"), *site)
    specs("sync", "--source", str(made / "stock"), "--target", str(folder), "--images", "skip", *site)
    (folder / "kernels").symlink_to("kernelspecs")


def change(folder: Path, name: str, argv: list[str] | None = None, **stanza: Any) -> None:
    """Change a kernelspec, whose display name is made its own."""
    spec = json.loads((folder / "kernel.json").read_bytes())
    spec |= {"display_name": name} | ({"argv": argv} if argv else {})
    spec["metadata"]["kernelpod"] |= stanza
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def specs(*words: str) -> None:
    """Run `kernelpod specs ...`."""
    command = [sys.executable, "-m", "kernelpod.cli.main", "specs", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HELM_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


def install(namespace: str) -> str:
    """Install the stock chart with the values of launchers/stock and return the gateway's URL."""
    values = yaml.safe_load((LAUNCHERS / "stock" / "values.yaml").read_text(encoding="utf-8"))
    values["image"] = GATEWAY_IMAGE
    values["kernelspecsPvc"]["name"] = "homes"  # what claim_on calls every claim
    values["kernel"]["allowedKernels"] += ["python-pod-large", "ipykernel6", "broken"]
    values["deployment"]["resources"] = {}
    values["deployment"]["extraEnv"]["KERNELPOD_IDENTITY_KEY"] = KEY
    command = ["helm", "install", "stock", str(chart()), "-n", namespace, "-f", "-", "--wait", "--timeout", "120s"]
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, check=False, timeout=HELM_SECONDS
    )
    assert done.returncode == 0, done.stderr
    address = kube.kubectl(
        "get", "service", "enterprise-gateway", "-n", namespace, "-o=jsonpath={.spec.clusterIP}"
    )
    return f"http://{address}:8888"


@pytest.fixture(scope="module", params=["nfs", "pvc"])
def stock(request: pytest.FixtureRequest, need: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """A stock gateway with our kernelspecs; homes are inline NFS volumes, or one claim and a folder of it."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    if "KERNELPOD_TEST_NFS" in os.environ:
        pytest.skip("the images of a stock gateway are built for the test cluster only")
    with ExitStack() as stack:
        gateway = stack.enter_context(kube.new_namespace("stock"))
        kernels = stack.enter_context(kube.new_namespace("stock-kernels"))
        for folder in (NFS_FOLDER / gateway, NFS_FOLDER / kernels):
            folder.mkdir()
            stack.callback(shutil.rmtree, folder)
        for user in ("alice", "bob"):
            (NFS_FOLDER / kernels / user).mkdir(mode=0o700)
            os.chown(NFS_FOLDER / kernels / user, UID, GID)
        export = f"{NFS_PATH}/{kernels}"
        claims = {gateway: f"{NFS_PATH}/{gateway}"}
        volume = {"kind": "nfs", "server": NFS_SERVER}
        if request.param == "pvc":
            volume = {"kind": "pvc", "claim": "homes"}
            claims[kernels] = export
        publish(NFS_FOLDER / gateway, kernels, export, volume, tmp_path_factory.mktemp("stock"))
        for namespace, path in claims.items():
            kube.kubectl("apply", "-f", "-", given=claim_on(path, namespace))
            stack.callback(kube.kubectl, "delete", "pv", f"homes-{namespace}", "--wait=false")
        stack.callback(subprocess.run, ["helm", "uninstall", "stock", "-n", gateway, "--wait"], check=False)
        caller = Caller(install(gateway))
        eventually(lambda: answers(caller), 60, what="the gateway answers")
        yield Stock(caller, kernels, export, NFS_FOLDER / kernels)


def answers(caller: Caller) -> bool:
    """Return whether the gateway is up."""
    try:
        return caller.ask("GET", "kernelspecs").ok
    except OSError:
        return False


def started(stock: Stock, spec: str = "python-pod") -> str:
    """Return the id of a kernel of alice's."""
    return stock.caller.start(spec, **stock.wish())


@pytest.fixture
def quiet(stock: Stock) -> Iterator[Stock]:
    """The gateway, with no kernel of another test and no pod left behind."""
    yield stock
    for kernel_id in stock.caller.ids():
        stock.caller.ask("DELETE", f"kernels/{kernel_id}")
    eventually(lambda: not stock.pods(), what="no pod is left")


@pytest.mark.parametrize(("spec", "major"), [("python-pod", "7"), ("ipykernel6", "6")])
def test_a_kernel_sees_its_users_home_and_nothing_else(quiet: Stock, spec: str, major: str) -> None:
    kernel_id = started(quiet, spec)
    code = "import ipykernel, os; print(ipykernel.__version__[0], os.getcwd(), os.getuid(), os.environ['USER'])"
    assert quiet.caller.run(kernel_id, code).split() == [major, "/home/jovyan", str(UID), "alice"]
    quiet.caller.run(kernel_id, "open('seen', 'w').write('by alice')")
    assert (quiet.homes / "alice" / "seen").read_text() == "by alice"
    names = "import os; print(sorted(n for n in os.environ if 'CLAIM' in n or n.startswith(('EG_', 'KERNEL_'))))"
    assert quiet.caller.run(kernel_id, names).strip() == "['KERNEL_ID', 'KERNEL_USERNAME']"


def test_bash_runs_and_is_interrupted(quiet: Stock) -> None:
    kernel_id = started(quiet, "bash-pod")
    with quiet.caller.channels(kernel_id) as channels:
        assert channels.run("echo $HOME").strip() == "/home/jovyan"
        asked = channels.begin("sleep 60")
        assert quiet.caller.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
        channels.finish(asked)
        assert channels.run("echo again").strip() == "again"


def test_interrupt_restart_delete(quiet: Stock) -> None:
    kernel_id = started(quiet)
    with quiet.caller.channels(kernel_id) as channels:
        asked = channels.begin_running("import time; time.sleep(60)")
        assert quiet.caller.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
        assert channels.finish(asked).error == "KeyboardInterrupt"
        channels.run("kept = 1")
    first = quiet.pods()[0]["metadata"]["name"]
    assert quiet.caller.ask("POST", f"kernels/{kernel_id}/restart").ok
    assert quiet.caller.run(kernel_id, "print('kept' in globals())").strip() == "False"
    assert [pod["metadata"]["name"] for pod in quiet.pods()] != [first]
    assert quiet.caller.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    eventually(lambda: not quiet.pods(), what="the pod is gone")


def test_the_client_chooses_no_volume_no_image_no_uid(quiet: Stock) -> None:
    hostile = {
        "KERNEL_VOLUMES": json.dumps([{"name": "all", "hostPath": {"path": "/"}}]),
        "KERNEL_VOLUME_MOUNTS": json.dumps([{"name": "all", "mountPath": "/all"}]),
        "KERNEL_UID": "4711",
        "KERNEL_IMAGE": "example.org/other",
        "KERNEL_POD_NAME": "x" * 80,
        "KERNEL_SERVICE_ACCOUNT_NAME": "admin",
    }
    quiet.caller.start("python-pod", **quiet.wish(), **hostile)
    [pod] = quiet.pods()
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["home"]
    assert pod["spec"]["securityContext"]["runAsUser"] == UID
    assert pod["spec"]["containers"][0]["image"] == IMAGES.format("kernel-python")
    assert pod["spec"]["serviceAccountName"] == "default"


def test_a_notebooks_folder_is_the_working_directory(quiet: Stock) -> None:
    (quiet.homes / "alice" / "course").mkdir(exist_ok=True)
    wish = quiet.wish(KERNEL_WORKING_DIR="/home/jovyan/course")
    kernel_id = quiet.caller.start("python-pod", **wish)
    assert quiet.caller.run(kernel_id, "import os; print(os.getcwd())").strip() == "/home/jovyan/course"


def test_without_a_claim_nothing_starts_and_the_user_reads_why(quiet: Stock) -> None:
    assert "No KERNEL_SIGNED_IDENTITY came with this start" in quiet.refused()


def test_a_wrong_claim_is_refused_and_the_user_reads_why(quiet: Stock) -> None:
    mine = quiet.claim()
    forged = sign_identity(secrets.token_hex(32), mine)
    assert "was not made by this gateway's hub" in quiet.refused(KERNEL_SIGNED_IDENTITY=forged)
    assert "has expired" in quiet.refused(**quiet.wish(mine._replace(expires=int(time.time()) - 1)))
    assert "KERNEL_PATH is" in quiet.refused(**quiet.wish(KERNEL_PATH=f"{quiet.export}/bob"))
    assert "KERNEL_USERNAME is" in quiet.refused(**quiet.wish(KERNEL_USERNAME="bob"))


def test_another_namespace_is_not_reached(quiet: Stock) -> None:
    answer = quiet.caller.post("python-pod", **quiet.wish(KERNEL_NAMESPACE="default"))
    assert answer.status_code == 500
    assert not [pod for pod in kube.items("pods", "default") if pod["metadata"]["name"].startswith("kernel-")]


def test_a_kernel_that_does_not_start_says_why(quiet: Stock) -> None:
    answer = quiet.caller.post("broken", **quiet.wish())
    assert answer.status_code == 500
    assert "No module named no_such_kernel" in answer.json()["reason"]


@contextmanager
def notebook_server(stock: Stock, folder: Path, env: dict[str, str]) -> Iterator[Caller]:
    """A notebook server of ours that starts its kernels through the stock gateway."""
    port = free_port()
    options = {"port": port, "port_retries": 0, "allow_root": True, "open_browser": False, "root_dir": folder}
    command = [str(SERVER), *(f"--ServerApp.{name}={value}" for name, value in options.items())]
    homes = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    gateway = {"JUPYTER_GATEWAY_URL": stock.caller.url, "JUPYTER_TOKEN": KEY, "HOME": str(folder)}
    process = subprocess.Popen(
        [*command, "--IdentityProvider.token", KEY],
        env={"PATH": os.environ["PATH"], **homes, **gateway, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        caller = Caller(f"http://127.0.0.1:{port}", KEY)
        eventually(lambda: answers(caller), 60, what="the notebook server answers")
        yield caller
    finally:
        process.terminate()
        process.wait(30)


def test_a_notebook_server_hands_the_claim_over_and_shows_the_reason(quiet: Stock, tmp_path: Path) -> None:
    wish = {"path": "a.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python-pod"}}
    with notebook_server(quiet, tmp_path, quiet.wish()) as server:
        answer = server.ask("POST", "sessions", json=wish)
        assert answer.status_code == 201, answer.text
        assert server.run(answer.json()["kernel"]["id"], "print(1 + 1)").strip() == "2"
    with notebook_server(quiet, tmp_path, {}) as server:
        answer = server.ask("POST", "sessions", json=wish)
        assert (answer.status_code, "No KERNEL_SIGNED_IDENTITY came with this start" in answer.text) == (500, True)
