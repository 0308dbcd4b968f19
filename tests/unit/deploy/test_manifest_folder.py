"""The folder of manifests for `kubectl apply -k`, and its script that makes Secrets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from deployments import deployment
from kubectl_double import Kubectl

from kernelpod.base import yamltext
from kernelpod.deploy import install
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.withouthelm.folder import folder_files, write_folder
from kernelpod.errors import KernelpodError


@pytest.fixture
def kubectl() -> Kubectl:
    return Kubectl()


HUB = [
    {"kind": "Deployment", "metadata": {"name": "hub"}},
    {"kind": "Secret", "metadata": {"name": "hub-config"}, "data": {"config.yaml": "VE9QU0VDUkVU"}},
]


@pytest.fixture
def kustomizing(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster whose hub is a Deployment with its configuration in a Secret."""
    monkeypatch.setattr(install, "hub_objects", lambda *_: yamltext.dump_all(HUB))
    return kubectl.cluster


def test_the_folder_holds_all_and_secrets_apart(kustomizing: Cluster, kubectl: Kubectl) -> None:
    courses = {"server": "10.0.0.5", "courses": "/courses", "courses_files": "/files"}
    files = folder_files(kustomizing, deployment(nfs=courses), ["10.0.0.5/32"])
    listed = yaml.safe_load(files["kustomization.yaml"])["resources"]
    assert listed == ["namespaces.yaml", "gateway.yaml", "volumes.yaml", "hub.yaml"]
    assert set(files) == {*listed, "kustomization.yaml", "secrets.sh", "hub.secret.yaml", ".gitignore"}
    whole = [one for name in listed for one in yaml.safe_load_all(files[name])]
    assert "Secret" not in {one["kind"] for one in whole}
    assert [name for name, text in files.items() if "VE9QU0VDUkVU" in text] == ["hub.secret.yaml"]
    assert files[".gitignore"].endswith("\n*.secret.yaml\n")
    assert "10.0.0.5/32" in files["gateway.yaml"]
    assert kubectl.asked == [], "the cluster was asked"


def test_what_the_file_denies_is_denied_to_kernels_and_to_servers(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, the file alone says where the nodes are; the NFS server is known."""
    said: list[list[str]] = []
    monkeypatch.setattr(install, "hub_objects", lambda *given: said.append(given[3]) or yamltext.dump_all(HUB))
    made = deployment(values={"networkPolicy": {"deny": ["203.0.113.0/24"]}})
    files = folder_files(kubectl.cluster, made, ["198.51.100.5/32"])
    assert said == [["198.51.100.5/32", "203.0.113.0/24"]]
    assert all(one in files["gateway.yaml"] for one in said[0])


def test_certificates_are_no_part_of_a_folder(kustomizing: Cluster) -> None:
    with pytest.raises(KernelpodError, match="internal_tls"):
        folder_files(kustomizing, deployment(internal_tls=True), [])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_replaced_file_by_file(kustomizing: Cluster, tmp_path: Path) -> None:
    files = folder_files(kustomizing, deployment(), [])
    folder = tmp_path / "manifests"
    write_folder(folder, {**files, "hub-gone.yaml": files["hub.yaml"]})
    write_folder(folder, files)
    assert contents(folder) == {name: text.encode() for name, text in files.items()}
    assert (folder / "hub.secret.yaml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["manifests"]


@pytest.mark.parametrize(
    "theirs", ["my-patch.yaml", "overlay/kustomization.yaml", ".git/config", "kustomization.yaml"]
)
def test_a_folder_with_anything_else_is_left_as_it_is(kustomizing: Cluster, tmp_path: Path, theirs: str) -> None:
    files = folder_files(kustomizing, deployment(), [])
    folder = tmp_path / "manifests"
    write_folder(folder, files)
    (folder / theirs).parent.mkdir(exist_ok=True)
    (folder / theirs).write_text("resources: []", encoding="utf-8")
    before = contents(folder)
    with pytest.raises(KernelpodError, match="has not made"):
        write_folder(folder, {**files, "new.yaml": ""})
    assert contents(folder) == before


def test_a_folder_that_cannot_be_made_is_a_sentence(kustomizing: Cluster) -> None:
    with pytest.raises(KernelpodError, match=r"^/proc/manifests cannot be written or read: No such file"):
        write_folder(Path("/proc/manifests"), folder_files(kustomizing, deployment(), []))


def test_a_link_is_followed_to_a_folder_and_a_link_in_it_is_not(kustomizing: Cluster, tmp_path: Path) -> None:
    files = folder_files(kustomizing, deployment(), [])
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    write_folder(tmp_path / "link", files)
    assert len(contents(tmp_path / "there")) == len(files)
    (tmp_path / "there" / "hub.yaml").unlink()
    (tmp_path / "there" / "hub.yaml").symlink_to("gateway.yaml")
    with pytest.raises(KernelpodError, match=r"holds hub\.yaml"):
        write_folder(tmp_path / "link", files)


PROGRAM = """#!/bin/sh
# Keeps each Secret that is created in a file, and says of a file whether it is there.
case $1 in
create)
  cat >"$KEPT/made"
  mv "$KEPT/made" "$KEPT/$(sed -n 's/.*name: \\([a-z-]*\\),.*/\\1/p' "$KEPT/made")"
  ;;
apply) cat "$3" >"$KEPT/applied" ;;
get) [ ! -e "$KEPT/$3" ] || case $* in *jsonpath*) printf dG9rZW4= ;; *) echo "secret/$3" ;; esac ;;
esac
"""


@pytest.fixture
def script(kustomizing: Cluster, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs secrets.sh with these programs only. Secrets that it makes go into `kept`."""
    write_folder(tmp_path / "manifests", folder_files(kustomizing, deployment(), []))
    for name in ("bin", "kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "kubectl").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "bin" / "kubectl").chmod(0o755)

    def run(*programs: str) -> subprocess.CompletedProcess[str]:
        for name in programs:
            (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
        command = [shutil.which("sh") or "", str(tmp_path / "manifests" / "secrets.sh")]
        environment = {"PATH": str(tmp_path / "bin"), "KEPT": str(tmp_path / "kept")}
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)

    return run


NEEDED = ("cat", "dirname", "head", "mv", "sed", "tr")


def test_the_script_makes_each_secret_once(
    script: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for programs in ((*NEEDED, "od"), ()):
        done = script(*programs)
        assert (done.returncode, done.stderr) == (0, "")
    kept = tmp_path / "kept"
    hub, copy = (yaml.safe_load((kept / name).read_text(encoding="utf-8")) for name in ("hub", "kernelpod-hub"))
    assert hub["metadata"]["namespace"] == "hub"
    assert {len(value) for value in hub["stringData"].values()} == {64}
    assert len(set(hub["stringData"].values())) == len(hub["stringData"]) == 5
    assert (copy["metadata"]["namespace"], copy["data"]) == ("gateway", {"token": "dG9rZW4="})
    assert "VE9QU0VDUkVU" in (kept / "applied").read_text(encoding="utf-8")
    assert {path.name for path in kept.iterdir()} == {"hub", "kernelpod-hub", "applied"}


def test_the_script_makes_no_secret_without_random_digits(
    script: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = script(*NEEDED)
    assert done.returncode != 0
    assert "no random digits" in done.stderr
    assert list((tmp_path / "kept").iterdir()) == []
