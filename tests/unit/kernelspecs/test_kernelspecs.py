"""Kernelspecs: what a kernel.json must hold, what of it is ignored, and how a change is noticed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelpod.errors import NotFound, StartFailed
from kernelpod.kernelspecs.model import read_folder
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.kernelspecs.publishing.releases import Target
from kernelpod.kernelspecs.publishing.tree import read_tree
from kernelpod.settings.kernels import Kernelspecs

SHIPPED = Path(__file__).parents[3] / "kernelspecs"
GOOD: dict[str, Any] = {
    "display_name": "Python",
    "language": "python",
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "metadata": {"kernelpod": {"image": "registry.example/kernel:1"}},
}


def write(root: Path, name: str = "python-pod", text: str | None = None, **changes: Any) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    content = text if text is not None else json.dumps({**GOOD, **changes})
    (folder / "kernel.json").write_text(content, encoding="utf-8")
    return folder


def stanza(**changes: Any) -> dict[str, Any]:
    return {"metadata": {"kernelpod": {"image": "i", **changes}}}


def changed(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


BAD = {
    "no json": ("{", "is not valid JSON"),
    "too deep": ("[" * 100_000, "is not valid JSON"),
    "a list": ("[]", "needs a metadata.kernelpod stanza"),
    "no metadata": ('{"argv": []}', "needs a metadata.kernelpod stanza"),
    "metadata is a list": (changed(metadata=[]), "needs a metadata.kernelpod stanza"),
    "no stanza": (changed(metadata={"process_proxy": {}}), "has no metadata.kernelpod stanza"),
    "no image": (changed(metadata={"kernelpod": {}}), "metadata.kernelpod.image: Field required"),
    "an image with spaces": (changed(**stanza(image="a b")), "metadata.kernelpod.image: "),
    "an image with a newline": (changed(**stanza(image="a\n")), "metadata.kernelpod.image: "),
    "an image with structure": (changed(**stanza(image='a", "hostPath": "/')), "metadata.kernelpod.image: "),
    "a typo": (changed(**stanza(imgae="x")), "metadata.kernelpod.imgae: unknown key; did you mean image?"),
    "a typo in resources": (changed(**stanza(resources={"limit": {}})), "did you mean limits?"),
    "memory without sense": (changed(**stanza(resources={"limits": {"memory": "2 GB"}})), "write 512Mi, 2Gi"),
    "requests over limits": (changed(**stanza(resources={"requests": {"cpu": 8}})), "requests must be at most"),
    "limits over bounds": (changed(**stanza(resources={"bounds": {"cpu": "150m"}})), "limits at most bounds"),
    "a profile with a bad name": (changed(**stanza(profiles={"A.b": {"display_name": "x"}})), "profiles.A.b"),
    "a profile without a name": (changed(**stanza(profiles={"big": {}})), "profiles.big.display_name: Field req"),
    "no connection file": (changed(argv=["python"]), "argv must contain {connection_file}"),
    "no command": (changed(argv=[]), "argv: "),
    "the command is the file": (changed(argv=["{connection_file}"]), "argv must begin with the command"),
    "an empty command": (changed(argv=["", "{connection_file}"]), "argv must begin with the command"),
    "NUL in argv": (changed(argv=["a\0", "{connection_file}"]), "argv.0: "),
    "argv is a string": (changed(argv="python -f {connection_file}"), "argv: "),
    "env of numbers": (changed(env={"A": 1}), "env.A: Input should be a valid string"),
    "env with a bad name": (changed(env={"A=B": "1"}), "env.A=B"),
    "NUL in env": (changed(env={"A": "a\0b"}), "env.A: "),
    "an unknown interrupt mode": (changed(interrupt_mode="mail"), "interrupt_mode: Input should be"),
    "no GPUs": (changed(**stanza(resources={"gpus": {"count": 0}})), "resources.gpus.count: Input should be"),
    "gpus over the bound": (
        changed(**stanza(resources={"gpus": {"count": 2, "bound": 1}})),
        "gpus: count must be at most bound",
    ),
    "gpus of no resource": (
        changed(**stanza(resources={"gpus": {"resource": "gpu"}})),
        "resources.gpus.resource: ",
    ),
    "shared memory of nothing": (changed(**stanza(shm="much")), "metadata.kernelpod.shm: "),
    "an unknown pull policy": (changed(**stanza(pull_policy="Sometimes")), "pull_policy: Input should be"),
    "a runtime class with structure": (changed(**stanza(runtime_class="a\nb")), "runtime_class: "),
    "a node's label with spaces": (changed(**stanza(node_selector={"a b": "c"})), "node_selector.a b"),
    "a toleration of nothing": (changed(**stanza(tolerations=[{}])), "with Equal needs a key"),
    "a toleration with a value": (
        changed(**stanza(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}])),
        "with Exists must have no value",
    ),
    "a toleration's typo": (changed(**stanza(tolerations=[{"keys": "a"}])), "did you mean key?"),
    "a value instead of a Secret": (changed(**stanza(secret_env={"A": "secret"})), "secret_env.A: "),
    "a Secret in another namespace": (
        changed(**stanza(secret_env={"A": {"secret": "other/name", "key": "k"}})),
        "secret_env.A.secret: ",
    ),
    "a Secret for what the plan gives": (
        changed(**stanza(secret_env={"HOME": {"secret": "s", "key": "k"}})),
        "secret_env: HOME is already set",
    ),
    "a Secret beside a value": (
        changed(
            env={"A": "1"},
            **stanza(profiles={"b": {"display_name": "B", "secret_env": {"A": {"secret": "s", "key": "k"}}}}),
        ),
        "secret_env: A is already set",
    ),
    "culling in the past": (changed(**stanza(cull_idle_seconds=-1)), "cull_idle_seconds: "),
    "an unknown transport": (changed(**stanza(transport="udp")), "transport: Input should be"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_kernel_json_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"kernel\.json") as caught:
        read_folder(write(tmp_path, text=text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "name", ["python", "python2", "python3", "Python-pod", "a_b", "a.b", "-a", "a" * 41, "1a"]
)
def test_these_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="the folder's name must be"):
        read_folder(write(tmp_path, name))


def test_a_missing_or_unreadable_kernel_json_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read_folder(tmp_path / "absent")
    (write(tmp_path) / "kernel.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not valid JSON"):
        read_folder(tmp_path / "python-pod")


def test_process_proxies_are_ignored_and_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_proxy.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    metadata = {**GOOD["metadata"], "process_proxy": {"class_name": "evil_proxy.Proxy", "config": {"a": 1}}}
    (spec,) = read_folder(write(tmp_path, metadata=metadata))
    assert spec == read_folder(write(tmp_path))[0]
    assert "evil_proxy" not in sys.modules


def test_a_profile_changes_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    profiles = {
        "large": {"display_name": "Large", "groups": ["ml"]},
        "gpu": {"display_name": "GPU", "image": "gpu:1"},
    }
    whole, large, gpu = read_folder(write(tmp_path, **stanza(groups=["staff"], profiles=profiles)))
    assert [spec.address for spec in (whole, large, gpu)] == ["python-pod", "python-pod.large", "python-pod.gpu"]
    assert (large.image, large.groups, gpu.image, gpu.groups) == ("i", ("ml",), "gpu:1", ("staff",))
    assert large.resources == whole.resources


def test_a_profile_may_change_where_its_pod_runs_and_take_a_mount_away(tmp_path: Path) -> None:
    profiles = {"gpu": {"display_name": "GPU", "node_selector": {"gpu": "yes"}, "shm": "1Gi", "mounts": []}}
    whole, gpu = read_folder(
        write(tmp_path, **stanza(pull_secrets=["r"], cull_idle_seconds=60, mounts=["data"], profiles=profiles))
    )
    assert (gpu.node_selector, gpu.shm, gpu.mounts) == ({"gpu": "yes"}, 2**30, ())
    assert (whole.node_selector, whole.shm, whole.mounts) == ({}, None, ("data",))
    assert (gpu.pull_secrets, gpu.cull_idle_seconds, gpu.image) == (("r",), 60, "i")


@pytest.mark.parametrize(
    "folder", sorted(path for path in SHIPPED.iterdir() if path.is_dir()), ids=lambda folder: folder.name
)
def test_the_shipped_kernelspecs_are_good(folder: Path) -> None:
    assert read_folder(folder)[0].spec == folder.name


def published(root: Path, **settings: Any) -> PublishedKernelspecs:
    whole = {"path": root, "refresh_seconds": 1e-9, **settings}
    return PublishedKernelspecs(Kernelspecs.model_validate(whole))


def test_good_ones_are_listed_beside_bad_ones_and_a_bad_one_says_why(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "broken", text="{")
    write(tmp_path, ".hidden")
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    specs = published(tmp_path)
    assert list(specs.all()) == ["python-pod"]
    with pytest.raises(StartFailed, match=r"'broken' cannot be used: kernel\.json is not valid JSON") as caught:
        specs.get("broken", "")
    assert caught.value.code == "kernelspec_unusable"


@pytest.mark.parametrize(
    ("spec", "profile"),
    [("absent", ""), ("python-pod", "huge"), ("", ""), ("..", ""), ("python-pod", "x.y"), (".hidden", "")],
)
def test_what_is_not_there_is_not_found(tmp_path: Path, spec: str, profile: str) -> None:
    write(tmp_path)
    write(tmp_path, ".hidden")
    with pytest.raises(NotFound) as caught:
        published(tmp_path).get(spec, profile)
    assert caught.value.code == "kernelspec_not_found"


def test_a_profile_is_found_by_its_address(tmp_path: Path) -> None:
    write(tmp_path, **stanza(profiles={"large": {"display_name": "Large"}}))
    assert published(tmp_path).get("python-pod", "large").display_name == "Large"


def test_changes_are_noticed_without_a_restart(tmp_path: Path) -> None:
    specs = published(tmp_path)
    assert specs.all() == {}
    file = write(tmp_path) / "kernel.json"
    assert specs.get("python-pod", "").display_name == "Python"
    write(tmp_path, display_name="Nohtyp")
    os.utime(file, ns=(1, 1))
    assert specs.get("python-pod", "").display_name == "Nohtyp"
    file.unlink()
    assert specs.all() == {}


def test_a_listing_is_used_for_a_while(tmp_path: Path) -> None:
    specs = published(tmp_path, refresh_seconds=3600)
    assert specs.all() == {}
    write(tmp_path)
    assert specs.all() == {}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert published(tmp_path / "absent").all() == {}


def test_a_new_release_is_noticed_and_listed_whole(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    target = Target(tmp_path / "target")
    found = published(tmp_path / "target" / "kernelspecs")
    assert found.all() == {}
    for number in range(5):
        write(source, "a-pod", display_name=f"A {number}")
        write(source, "b-pod", display_name=f"B {number}")
        target.publish(read_tree(source), "alice", keep=2)
        assert {name: spec.display_name for name, spec in found.all().items()} == {
            "a-pod": f"A {number}",
            "b-pod": f"B {number}",
        }
        assert len({spec.folder.parent for spec in found.all().values()}) == 1
    target.rollback("alice")
    assert found.get("a-pod", "").display_name == "A 3"


def test_an_image_that_is_not_allowed_is_not_listed_and_says_why(tmp_path: Path) -> None:
    write(tmp_path, "a-pod", display_name="A")
    profiles = {"b": {"display_name": "B", "image": "elsewhere/kernel:1"}}
    write(tmp_path, "b-pod", **stanza(image="registry.example/kernel:1", profiles=profiles))
    found = published(tmp_path, allowed_images=["registry.example/*"])
    assert list(found.all()) == ["a-pod"]
    with pytest.raises(StartFailed, match="elsewhere/kernel:1 is not among"):
        found.get("b-pod", "")


def test_a_service_account_that_is_not_allowed_is_not_listed_and_says_why(tmp_path: Path) -> None:
    write(tmp_path, "a-pod", display_name="A", **stanza(service_account="spark-ml"))
    write(tmp_path, "b-pod", **stanza(profiles={"c": {"display_name": "C", "service_account": "default"}}))
    found = published(tmp_path, service_accounts=["spark-ml"])
    assert list(found.all()) == ["a-pod"]
    with pytest.raises(StartFailed, match="default is not among"):
        found.get("b-pod", "")


def test_a_kernelspec_over_the_houses_bounds_is_not_listed_and_says_why(tmp_path: Path) -> None:
    write(tmp_path, "a-pod", display_name="A")
    write(tmp_path, "b-pod", **stanza(resources={"limits": {"cpu": 1}, "bounds": {"cpu": 8, "memory": "2Gi"}}))
    found = published(tmp_path, bounds={"cpu": 4})
    assert list(found.all()) == ["a-pod"]
    with pytest.raises(StartFailed, match=r"8 cpu in b-pod is over kernelspecs\.bounds, 4"):
        found.get("b-pod", "")


def test_a_link_that_leads_to_itself_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "kernelspecs").symlink_to("kernelspecs")
    assert published(tmp_path / "kernelspecs").all() == {}


def test_the_published_schema_knows_the_shipped_ones_and_no_typo(need_module: Any) -> None:
    validator = need_module("jsonschema").Draft202012Validator
    file = SHIPPED.parent / "docs" / "kernelspec.schema.json"
    schema = validator(json.loads(file.read_text(encoding="utf-8")))
    for file in SHIPPED.glob("*/kernel.json"):
        schema.validate(json.loads(file.read_text(encoding="utf-8")))
    assert schema.is_valid(GOOD)
    assert not schema.is_valid({**GOOD, **stanza(imgae="x")})
