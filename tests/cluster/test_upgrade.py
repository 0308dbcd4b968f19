"""A deployment of an earlier commit is upgraded to this one with kernels running, and rolled back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kube
import pytest
from cluster_site import IMAGES
from deployed import COMMAND_SECONDS, Deployed, new_folder

from kernelpod.demo.client import Kernel, wait_until

EARLIER = os.environ.get("KERNELPOD_UPGRADE_FROM", "")
pytestmark = [pytest.mark.upgrade, pytest.mark.timeout(1200)]


@dataclass
class Upgraded(Deployed):
    """A deployment that an earlier checkout has made, with its own images."""

    checkout: Path = Path(EARLIER)

    def earlier(self, *words: str) -> str:
        """Return what a command of the earlier checkout printed."""
        self.images("earlier")
        verb, *options = words
        command = [str(self.checkout / ".venv/bin/python"), "-m", "kernelpod.cli.main", verb]
        done = subprocess.run(
            [*command, "--file", str(self.file), *options],
            capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS, cwd=self.checkout,
        )  # fmt: skip
        self.images(IMAGES.partition("{}:")[2])
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.report()}"
        return done.stdout

    def images(self, tag: str) -> None:
        """Name the images in deploy.yaml by this tag."""
        self.write(images={"prefix": IMAGES.partition("{}:")[0], "tag": tag})

    def gateways(self) -> list[str]:
        """Return the images of the gateways."""
        return [pod["spec"]["containers"][0]["image"] for pod in kube.items("pods", self.namespaces["gateway"])]

    def versions(self) -> set[bool]:
        """Return whether images of gateways and hub are the earlier ones; both answers while some are."""
        hubs = kube.items("pods", self.namespaces["hub"], "component=hub")
        images = [*self.gateways(), *(pod["spec"]["containers"][0]["image"] for pod in hubs)]
        assert len(images) >= 2, images
        return {image.endswith(":earlier") for image in images}


@pytest.fixture(scope="module")
def site() -> Iterator[Upgraded]:
    assert EARLIER, "make test-upgrade FROM=COMMIT says which checkout is upgraded"
    made = Upgraded(new_folder(), "pvc")
    made.publish()
    try:
        made.write()
        made.see(made.earlier("deploy", "--yes"))
        yield made
    finally:
        made.values = {}
        made.remove()


def counts(site: Upgraded, kernel: Kernel, expected: int) -> None:
    again = site.browser("alice").connect(kernel.kernel_id)
    assert again.run("n += 1; print(n)").strip() == str(expected)
    again.close()
    listed = {one["id"]: one for one in site.browser("alice").api("GET", "kernels").json()}
    assert listed[kernel.kernel_id]["execution_state"] in ("idle", "busy")


def test_kernels_go_on_through_an_upgrade_and_back(site: Upgraded) -> None:
    kernel = site.kernel("alice", "kept.ipynb")
    kernel.run("n = 0")
    counts(site, kernel, 1)
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")
    wait_until(lambda: site.versions() == {False}, "this version's gateway and hub")
    counts(site, kernel, 2)
    site.succeeded("rollback", "--yes")
    wait_until(lambda: site.versions() == {True}, "the earlier version's gateway and hub")
    counts(site, kernel, 3)
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")
    wait_until(lambda: site.versions() == {False}, "this version's gateway and hub, again")
    counts(site, kernel, 4)
    site.values = {"replicaCount": 2}
    site.write()
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")
    counts(site, kernel, 5)
    made = site.kernel("alice", "new.ipynb")
    made.run("n = 0")
    site.succeeded("rollback", "--yes")
    wait_until(lambda: len(site.gateways()) == 1, "the second gateway's end")
    counts(site, kernel, 6)
    counts(site, made, 1)
    site.values = {}
    site.earlier("upgrade", "--yes")
    wait_until(lambda: site.versions() == {True}, "the earlier version's gateway and hub")
    counts(site, kernel, 7)
    counts(site, made, 2)
    for one in (kernel, made):
        one.close()
        assert site.browser("alice").api("DELETE", f"kernels/{one.kernel_id}").status_code == 204
    wait_until(lambda: not site.kernel_pods("alice"), "the end of the kernels")
