"""A hub of the term and one of an exam, from one file, at one gateway: who gets in, and what reaches what.

Both are deployed where there is no Helm.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kube
import pytest
import yaml
from cluster_site import IMAGES
from deployed import NFS_SERVER, Deployed
from tries import TRY, node_and_api_port, service_address, tried

from kernelpod.demo.client import Browser, wait_until
from kernelpod.errors import KernelpodError

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]
LAB, GRADING = "localhost/kernelpod-singleuser:test", "localhost/kernelpod-singleuser-grading:test"


def path_without_helm(folder: Path) -> str:
    """Return a search path with kubectl and all else but helm."""
    (folder / "bin").mkdir()
    (folder / "bin" / "kubectl").symlink_to(shutil.which("kubectl") or "")
    folders = os.environ["PATH"].split(os.pathsep)
    others = [name for name in folders if not Path(name, "helm").exists()]
    return os.pathsep.join([str(folder / "bin"), *others])


class TwoHubs(Deployed):
    """Both hubs; `browser` and the like are of the term's, `exam` of the exam's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "nfs", path=path_without_helm(folder))
        self.exam_url = self.exam_password = ""
        self.exam_browsers: dict[str, Browser] = {}

    @property
    def exam_name(self) -> str:
        """Name and namespace of the exam's hub."""
        return f"dep-{self.mark}-exam"

    @property
    def namespaces(self) -> dict[str, str]:
        """The three namespaces of the deployment's first hub, and the exam's."""
        return {**super().namespaces, "exam": self.exam_name}

    def beside(self, name: str) -> Path:
        """Return a folder of the export that lies beside the homes."""
        return self.homes.with_name(f"{self.homes.name}-{name}")

    def write(self, **changes: Any) -> None:
        """Write deploy.yaml."""
        spaces = {name: space for name, space in self.namespaces.items() if name != "exam"}
        super().write(**{"namespaces": spaces, **changes})
        data = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        data["nfs"] |= {"courses": f"{self.export}-courses", "courses_files": f"{self.export}-files"}
        del data["hub"]["users"]
        hub = data["hub"] | {"courses": "teaching.yaml"}
        data["hub"] = hub | {"courses_may_mount": ["secret/licence", "config_map/*"]}
        exam = {"courses": "exam.yaml", "internet": False, "allow_from": [f"{node_and_api_port()[0]}/32"]}
        data["more_hubs"] = {self.exam_name: hub | exam}
        data["smoke"] = {"user": "dora"}
        self.file.write_text(yaml.safe_dump(data), encoding="utf-8")

    def write_courses(self, **students: list[str]) -> None:
        """Write both courses files and the lists, as an admin would on the NFS server."""
        files = self.beside("files")
        files.mkdir(exist_ok=True)
        slides = self.beside("courses") / "folders" / "ml" / "slides.txt"
        slides.parent.mkdir(parents=True, exist_ok=True)
        slides.write_text("one", encoding="utf-8")
        lists = {"ml": ["alice", "dave"], "stats": ["alice", "dora"], "exam": ["alice", "dave"], **students}
        for name, users in lists.items():
            new = files / f".{name}.csv"
            new.write_text("\n".join(["Username", *users, ""]), encoding="utf-8")
            new.rename(files / f"{name}.csv")
        size = {"guarantee": {"cpu": "10m", "memory": "64Mi"}, "limit": {"cpu": 1, "memory": "512Mi"}}
        common = {"storage": {"root": f"{self.export}-courses"}, "block": ["erin"], "admins": ["carol"]}
        ml = {
            "image": GRADING,
            "folder": {"path": "folders/{course}", "mount_path": "/srv/course"},
            "exchange": {"path": "exchange/{course}"},
            "students": "ml.csv",
            "graders": ["bob"],
            "network": "default",
            "volumes": {
                "licence": {"mount_path": "/opt/{course}", "volume": {"kind": "secret", "object": "licence"}},
                "notes": {
                    "mount_path": "/opt/notes",
                    "access": {"student": "none"},
                    "volume": {"kind": "config_map", "object": "notes"},
                },
            },
        }
        teaching = {
            **common,
            "defaults": {"image": LAB, "resources": size},
            "courses": {"ml": ml, "stats": {"title": "Statistics", "students": "stats.csv"}},
        }
        exam = {
            **common,
            "hub": self.exam_name,
            "mode": "exam",
            "defaults": {"image": LAB, "resources": size},
            "courses": {"ml": {"network": "none", "kernelspecs": ["python-pod"], "students": "exam.csv"}},
        }
        for name, data in (("teaching", teaching), ("exam", exam)):
            (files / f"{name}.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")

    def exam(self, user: str) -> Browser:
        """Return the browser of a user at the exam's hub, with a server."""
        if user not in self.exam_browsers:
            browser = Browser(self.exam_url, user)
            browser.login(self.exam_password)
            browser.spawn()
            self.exam_browsers[user] = browser
        return self.exam_browsers[user]

    def term(self, user: str, course: str) -> Browser:
        """Return the browser of a user at the term's hub, with a server for a course."""
        browser = self.browser(user)
        server = browser.hub("GET", f"/users/{user}").json().get("servers", {}).get("")
        if server and server["user_options"].get("profile") != course:
            browser.stop_server()
            server = None
        if not server:
            browser.spawn(profile=course)
        return browser

    def password_of(self, namespace: str) -> str:
        """Return the trial's password of a hub."""
        form = "go-template={{.data.trial_password | base64decode}}"
        return kube.kubectl("get", "secret", "hub", "-n", namespace, "-o", form)

    def find(self) -> None:
        """Take both hubs' addresses and passwords from the cluster."""
        state = json.loads(self.succeeded("status", "--json"))
        said = (state["url"], state["more_hubs"][self.exam_name])
        self.url, self.exam_url = (text.split(", ")[-1] for text in said)
        self.password, self.exam_password = map(self.password_of, (self.namespaces["hub"], self.exam_name))

    def server_pod(self, namespace: str, user: str) -> dict[str, Any]:
        """Return a server's pod."""
        pods = kube.items("pods", namespace, f"hub.jupyter.org/username={user}")
        return pods[0]

    def in_server(self, namespace: str, user: str, code: str) -> str:
        """Return what Python code prints in a server's pod; an exam has no terminals."""
        pod = self.server_pod(namespace, user)["metadata"]["name"]
        return kube.kubectl("exec", "-n", namespace, pod, "-c", "notebook", "--", "python", "-c", code)

    def make_volumes(self) -> None:
        """Make what the courses name, where the servers and where the kernels are."""
        given = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "licence"},
                "stringData": {"key": "licence"},
            },
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"key": "notes"}},
        ]
        for name in ("hub", "kernels"):
            kube.kubectl("apply", "-n", self.namespaces[name], "-f", "-", given=given)


@pytest.fixture(scope="module")
def two(need: Any) -> Iterator[TwoHubs]:
    """Both hubs, deployed by one command."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    site = TwoHubs(Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp")))
    site.publish()
    site.write()
    site.write_courses()
    try:
        assert not shutil.which("helm", path=site.path)
        assert "helm is not on PATH" in site.run("deploy", "--yes").stderr
        assert "smoke: passed\n" in site.succeeded("deploy", "--yes", "--without-helm")
        site.make_volumes()
        site.find()
        yield site
    finally:
        for browser in site.exam_browsers.values():
            browser.close()
        site.remove()
        for name in ("courses", "files"):
            shutil.rmtree(site.beside(name))


LOOK = """
import os
def can(path):
    return "-" if not os.path.isdir(path) else "rw" if os.access(path, os.W_OK) else "ro"
print(*(can(path) for path in ("/srv/course", "/srv/exchange/ml/inbound", "/srv/exchange/ml/outbound")))
"""


@pytest.mark.parametrize(("at", "user"), [("term", "erin"), ("term", "nobody"), ("exam", "dora"), ("exam", "bob")])
def test_the_lists_say_who_gets_in_at_which_hub(two: TwoHubs, at: str, user: str) -> None:
    url, password = (two.url, two.password) if at == "term" else (two.exam_url, two.exam_password)
    with pytest.raises(KernelpodError, match="login"):
        Browser(url, user).login(password)


def test_the_form_asks_who_has_a_choice_and_nobody_else(two: TwoHubs) -> None:
    alice = two.browser("alice")
    page = alice.session.get(f"{two.url}/hub/spawn", timeout=60).text
    assert "Statistics" in page
    assert 'value="ml"' in page
    form = {"profile": "stats", "_xsrf": alice._xsrf("/hub/")}
    answer = alice.session.post(f"{two.url}/hub/spawn/alice", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 302, answer.text[:500]
    wait_until(alice._server_ready, "alice's server")
    options = alice.hub("GET", "/users/alice").json()["servers"][""]["user_options"]
    assert options == {"profile": "stats", "semester": "current"}


def test_server_and_kernels_see_the_folders_of_the_course_alike(two: TwoHubs) -> None:
    alice = two.term("alice", "ml")
    kernel = alice.start_notebook("a.ipynb", "python-pod")
    assert kernel.run(LOOK).strip() == "ro rw ro"
    assert two.in_server(two.namespaces["hub"], "alice", LOOK).strip() == "ro rw ro"
    kernel.run("open('/srv/exchange/ml/inbound/answer.txt', 'w').write('mine')")
    assert (two.beside("courses") / "exchange/ml/inbound/alice/answer.txt").read_text() == "mine"
    dave = two.term("dave", "ml").start_notebook("a.ipynb", "python-pod")
    listed = dave.run("import os; print(os.listdir('/srv/exchange/ml/inbound'), os.listdir('/srv/course'))")
    assert listed.strip() == "[] ['slides.txt']"
    bob = two.term("bob", "ml").start_notebook("a.ipynb", "python-pod")
    assert bob.run("print(open('/srv/exchange/ml/inbound/alice/answer.txt').read())").strip() == "mine"
    for one in (kernel, dave, bob):
        one.close()


VOLUMES = """
import os
for place in ("/opt/ml/key", "/opt/notes/key"):
    print(open(place).read() if os.path.exists(place) else "-", os.access(place, os.W_OK))
"""


def test_a_course_s_secret_and_config_map_are_in_server_and_kernels_by_role(two: TwoHubs) -> None:
    for user, seen in (("alice", ["licence False", "- False"]), ("bob", ["licence False", "notes False"])):
        kernel = two.term(user, "ml").start_notebook("v.ipynb", "python-pod")
        assert kernel.run(VOLUMES).splitlines() == seen
        assert two.in_server(two.namespaces["hub"], user, VOLUMES).splitlines() == seen
        kernel.close()


def test_a_student_hands_in_and_a_grader_collects_by_the_courses_file_alone(
    two: TwoHubs,
) -> None:
    released = two.beside("courses") / "exchange/ml/outbound/ps1"
    released.mkdir(parents=True)
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (released / "p1.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    said = two.term("alice", "ml").terminal("cd && nbgrader fetch_assignment ps1 && nbgrader submit ps1")
    found = list((two.beside("courses") / "exchange/ml/inbound/alice").glob("*ps1*"))
    assert len(found) == 1, said
    (submitted,) = found
    sums = (submitted / "SHA256SUMS").read_bytes()
    code = hashlib.sha256(sums).hexdigest()[:20].upper()
    assert "-".join(code[at : at + 4] for at in range(0, 20, 4)) in said
    assert "p1.ipynb" in sums.decode()
    said = two.term("bob", "ml").terminal("cd && nbgrader collect ps1; cat submitted/alice/ps1/RECEIPT.json")
    assert '"student": "alice"' in said, said


def test_a_course_that_is_not_hers_is_refused(two: TwoHubs) -> None:
    alice = two.browser("alice")
    alice.stop_server()
    alice.hub("POST", "/users/alice/server", {"profile": "secret"}, ok=(403, 500))
    assert not alice.hub("GET", "/users/alice").json().get("servers")


def test_the_exam_has_another_home_no_terminals_and_its_kernelspecs_only(two: TwoHubs) -> None:
    alice = two.exam("alice")
    kernel = alice.start_notebook("exam.ipynb", "python-pod")
    kernel.run("open('answer.txt', 'w').write('42')")
    assert two.over_nfs("exam/current/ml/alice/answer.txt") == b"42"
    assert alice.api("POST", "terminals").status_code in (403, 404, 405)
    assert set(alice.api("GET", "kernelspecs").json()["kernelspecs"]) == {"python-pod"}
    refused = alice.api("POST", "kernels", {"name": "bash-pod"})
    assert refused.status_code >= 400
    asked = "import os; print(os.environ['JUPYTERHUB_DISABLE_USER_CONFIG'])"
    assert two.in_server(two.exam_name, "alice", asked).strip() == "1"
    kernel.close()


def test_a_server_of_another_course_sees_nothing_of_the_first_and_the_exam_nothing_of_the_term(
    two: TwoHubs,
) -> None:
    kernel = two.term("alice", "stats").start_notebook("c.ipynb", "python-pod")
    assert kernel.run(LOOK).strip() == "- - -"
    exam = two.exam("alice")
    assert kernel.kernel_id not in [one["id"] for one in exam.api("GET", "kernels").json()]
    assert exam.api("DELETE", f"kernels/{kernel.kernel_id}").status_code == 404
    kernel.close()


NAMES = """
import socket
for name in ("hub", "kernelpod.GATEWAY", "kubernetes.default.svc.cluster.local", "kernelpod.example.org"):
    try:
        print(socket.gethostbyname(name))
    except OSError:
        print('unknown')
"""


def test_from_an_exams_server_only_hub_and_gateway_are_reached_and_from_its_kernel_nothing(two: TwoHubs) -> None:
    """By real packets; the server's open ones show that packets go out at all. It cannot ask for names either."""
    kernel = two.exam("alice").start_notebook("net.ipynb", "python-pod")
    two.exam("dave").start_notebook("net.ipynb", "python-pod").close()
    others = [pod["status"]["podIP"] for pod in two.kernel_pods("dave")]
    node, port = node_and_api_port()
    dns = [service_address("kube-dns", "kube-system"), 53]
    gateway = [service_address("kernelpod", two.namespaces["gateway"]), 8888]
    hub = [service_address("hub", two.exam_name), 8081]
    closed = [
        [two.server_pod(two.exam_name, "dave")["status"]["podIP"], 8888],
        *([address, 20001] for address in others),
        [service_address("hub", two.namespaces["hub"]), 8081],
        [service_address("proxy-public", two.namespaces["hub"]), 80],
        [node, port],
        [NFS_SERVER, 2049],
        # An address of documentation (RFC 5737) stands for the internet: the rig counts what leaves.
        ["198.51.100.7", 80],
    ]
    code = TRY.format(places=json.dumps([gateway, hub, dns, *closed]))
    server, reached = tried(two.in_server(two.exam_name, "alice", code)), tried(kernel.run(code))
    assert others
    assert server == ["open", "open", "dropped", *("dropped" for _ in closed)]
    assert reached == ["dropped" for _ in server]
    kernel.close()
    names = NAMES.replace("GATEWAY", two.namespaces["gateway"])
    assert two.in_server(two.exam_name, "alice", names).split() == [hub[0], gateway[0], "unknown", "unknown"]


def test_into_the_exam_leads_no_way_from_elsewhere(two: TwoHubs) -> None:
    """This machine is the exam room, a pod somewhere in the cluster is not; into the term's hub it gets."""
    places = [[service_address("proxy-public", space), 80] for space in (two.namespaces["hub"], two.exam_name)]
    with kube.new_namespace("elsewhere") as space:
        image, code = IMAGES.format("gateway"), TRY.format(places=json.dumps(places))
        words = ("--restart=Never", f"--image={image}", "--command", "--", "python", "-c", code)
        kube.kubectl("run", "visitor", "-n", space, *words)
        kube.kubectl(
            "wait", "pod/visitor", "-n", space, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=200s"
        )
        assert tried(kube.kubectl("logs", "visitor", "-n", space)) == ["open", "dropped"]


def test_a_changed_list_counts_at_the_next_start_without_a_deployment(two: TwoHubs) -> None:
    two.write_courses(ml=["dave", "frank"], stats=["alice", "dora"])
    frank = Browser(two.url, "frank")
    wait_until(lambda: logged_in(frank, two.password), "the hub to see the new list")
    frank.spawn()
    kernel = frank.start_notebook("a.ipynb", "python-pod")
    assert kernel.run(LOOK).strip() == "ro rw ro"
    kernel.close()
    two.write_courses(ml=["dave"])
    start = {"name": "python-pod"}
    wait_until(lambda: frank.api("POST", "kernels", start).status_code != 201, "the gateway to see the list")
    frank.stop_server()
    frank.close()


def test_without_helm_an_upgrade_is_rolled_back_and_kernels_go_on(two: TwoHubs) -> None:
    space = two.namespaces["gateway"]
    kernel = two.term("alice", "stats").start_notebook("upgraded.ipynb", "python-pod")
    kernel.run("y = 'kept'")
    kernel.close()
    two.write(values={"podLabels": {"step": "two"}, "kernels": {"limitRange": {"enabled": False}}})
    try:
        two.succeeded("upgrade", "--yes")
        assert kube.names("pods", space, "step=two")
        assert kube.names("limitranges", two.namespaces["kernels"]) == []
        state = json.loads(two.succeeded("status", "--json"))
        assert (state["release"], state["problems"]) == ("deployed, revision 2, without Helm", [])
        two.succeeded("rollback", "--yes")
    finally:
        two.write()
    wait_until(lambda: not kube.names("pods", space, "step=two"), "the former gateway")
    assert kube.names("limitranges", two.namespaces["kernels"]) == ["kernelpod"]
    again = two.browser("alice").connect(kernel.kernel_id)
    assert again.run("print(y)").strip() == "kept"
    again.close()


def test_the_folder_of_manifests_is_what_was_deployed(two: TwoHubs) -> None:
    """So who keeps manifests in files may begin with `deploy`, and the other way round."""
    folder = two.folder / "manifests"
    done = two.kernelpod("render", "--deployment", str(two.file), "--out", str(folder))
    assert done.returncode == 0, done.stderr
    pods, tokens = two.pods("gateway"), two.secret("hub")
    subprocess.run(["sh", str(folder / "secrets.sh")], check=True, timeout=60)
    said = kube.kubectl("apply", "-k", str(folder))
    assert "created" not in said, said
    assert (two.pods("gateway"), two.secret("hub")) == (pods, tokens)


def test_the_folder_of_manifests_makes_the_deployment_where_there_is_none(two: TwoHubs) -> None:
    """With kubectl and sh alone, as docs/hub-without-helm.md says; the users' files are there as before."""
    before = two.term("dave", "ml").start_notebook("a.ipynb", "python-pod")
    before.run("open('kept.txt', 'w').write('as before')")
    before.close()
    folder = two.folder / "anew"
    two.succeeded("destroy", "--yes")
    done = two.kernelpod("render", "--deployment", str(two.file), "--out", str(folder))
    assert done.returncode == 0, done.stderr
    kube.kubectl("apply", "-f", str(folder / "namespaces.yaml"))
    subprocess.run(["sh", str(folder / "secrets.sh")], check=True, timeout=60)
    kube.kubectl("apply", "-k", str(folder))
    two.make_volumes()
    for space in (two.namespaces["gateway"], two.namespaces["hub"], two.exam_name):
        kube.kubectl("wait", "deployment", "--all", "-n", space, "--for=condition=Available", "--timeout=250s")
    two.find()
    two.browsers.pop("dave").close()
    after = two.term("dave", "ml").start_notebook("a.ipynb", "python-pod")
    assert after.run("print(open('kept.txt').read())").strip() == "as before"
    assert after.run(LOOK).strip() == "ro rw ro"
    after.close()
    state = json.loads(two.succeeded("status", "--json"))
    assert (state["release"], state["problems"]) == ("applied from manifests, without Helm", [])


def logged_in(browser: Browser, password: str) -> bool:
    """Return whether a login succeeds."""
    try:
        browser.login(password)
    except KernelpodError:
        return False
    return True
