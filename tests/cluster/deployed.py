"""A whole deployment on the cluster, made and removed by the command line, and the people who use it."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import kube
import yaml
from cluster_site import IMAGES, NFS_FOLDER, NFS_PATH, NFS_SERVER

from kernelpod.base import shipped
from kernelpod.base.names import LABEL_USER, user_slug
from kernelpod.demo.client import SERVER_SECONDS, Browser, Kernel, wait_until

COMMAND_SECONDS = 600
USERS = ("alice", "bob", "dave", "erin", "frank", "john.doe", "ünal", "a@b.org")
ADMIN = "carol"


Site = TypeVar("Site", bound="Deployed")


def new_folder() -> Path:
    """Return a new folder for a deployment's file."""
    return Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))


@dataclass
class Deployed:
    """A gateway, a hub and their namespaces, of random names."""

    folder: Path
    homes_kind: str
    values: dict[str, Any] = field(default_factory=dict)
    """Values of the gateway's chart, besides those that a test gives."""
    mark: str = field(default_factory=lambda: secrets.token_hex(3))
    url: str = ""
    password: str = ""
    browsers: dict[str, Browser] = field(default_factory=dict)
    path: str = field(default_factory=lambda: os.environ["PATH"])
    """Where commands look for programs."""

    @property
    def namespaces(self) -> dict[str, str]:
        """The three namespaces."""
        return {name: f"dep-{self.mark}-{name}" for name in ("gateway", "kernels", "hub")}

    @property
    def export(self) -> str:
        """The folder of the homes, as the NFS server names it."""
        return f"{NFS_PATH}/dep-{self.mark}"

    @property
    def homes(self) -> Path:
        """The same folder on this machine."""
        return NFS_FOLDER / f"dep-{self.mark}"

    @property
    def file(self) -> Path:
        """deploy.yaml."""
        return self.folder / "deploy.yaml"

    def write(self, **changes: Any) -> None:
        """Write deploy.yaml, with some keys changed."""
        prefix, _, tag = IMAGES.partition("{}:")
        data = {
            "namespaces": self.namespaces,
            "nfs": {"server": NFS_SERVER, "homes": self.export, "kernelspecs": f"{self.export}/.specs"},
            "homes": self.homes_kind,
            "images": {"prefix": prefix, "tag": tag},
            "hub": {
                "users": list(USERS),
                "admin_users": [ADMIN],
                "database": {"nfs": self.export},
                # The node is small; what servers really need is measured elsewhere.
                "config": {"KubeSpawner": {"cpu_guarantee": 0.01, "mem_guarantee": "64M"}},
            },
            "settings": {
                "servers": {"orphan_seconds": 5},
                "identity": {"cache_seconds": 1},
                "start": {"grace_period_seconds": 6},
            },
            **changes,
            "values": {**self.values, **changes.get("values", {})},
        }
        self.file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")

    def publish(self) -> None:
        """Put the shipped kernelspecs on the NFS server, with the images of the tests."""
        folder = self.homes / ".specs" / "kernelspecs"
        shutil.copytree(shipped.kernelspecs(), folder)
        for file in folder.glob("*/kernel.json"):
            spec = json.loads(file.read_text(encoding="utf-8"))
            stanza = spec["metadata"]["kernelpod"]
            if ours := re.match(r"ghcr\.io/kernelpod/(kernel-[a-z]+):", stanza["image"]):
                stanza["image"] = IMAGES.format(ours[1])
            file.write_text(json.dumps(spec), encoding="utf-8")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what `kernelpod VERB --file deploy.yaml ...` did; a verb may have several words."""
        verb, *options = words
        return self.kernelpod(*verb.split(), "--file", str(self.file), *options)

    def kernelpod(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Return what a command of kernelpod did, with the programs on `path`."""
        return subprocess.run(
            [sys.executable, "-m", "kernelpod.cli.main", *words],
            env={**os.environ, "PATH": self.path},
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def succeeded(self, *words: str) -> str:
        """Return what a command printed. Raises AssertionError with its words if it fails."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.report()}"
        return done.stdout

    def secret(self, name: str) -> dict[str, str]:
        """Return a Secret of the hub's namespace."""
        text = kube.kubectl("get", "secret", name, "-n", self.namespaces["hub"], "-o", "json")
        return {key: base64.b64decode(value).decode() for key, value in json.loads(text)["data"].items()}

    def see(self, said: str) -> None:
        """Take the hub's address from what `deploy` printed, and its password from its Secret."""
        self.url = said.partition("smoke: passed\n")[2].split()[0]
        self.password = self.secret("hub")["trial_password"]

    def report(self) -> str:
        """Return what the namespaces say."""
        return "\n".join(f"=== {name}\n{kube.report(name)}" for name in self.namespaces.values())

    def browser(self, user: str) -> Browser:
        """Return the browser of a user, logged in; the hub normalizes names to lower case."""
        if user not in self.browsers:
            browser = Browser(self.url, user)
            browser.login(self.password)
            self.browsers[user] = browser
        return self.browsers[user]

    def server(self, user: str) -> Browser:
        """Return the browser of a user whose server runs."""
        browser = self.browser(user)

        def found() -> dict[str, Any]:
            listed: dict[str, dict[str, Any]] = browser.hub("GET", f"/users/{user}").json().get("servers") or {}
            return listed.get("", {})

        # An idle one may be ending, by the hub's culler.
        wait_until(lambda: found().get("pending") != "stop", f"the end of {user}'s server", SERVER_SECONDS)
        if not found():
            browser.spawn()
        return browser

    def server_address(self, user: str) -> str:
        """Return the address of the pod of a user's server, which runs."""
        self.server(user)
        found = kube.items("pods", self.namespaces["hub"])
        (pod,) = [one for one in found if one["metadata"]["name"] == f"jupyter-{user}"]
        return str(pod["status"]["podIP"])

    def kernel(self, user: str, path: str = "a.ipynb") -> Kernel:
        """Return a new kernel of a user."""
        return self.server(user).start_notebook(path, "python-pod")

    def home(self, user: str) -> Path:
        """Return a home on this machine."""
        return self.homes / user_slug(user)

    def over_nfs(self, path: str) -> bytes:
        """Return a file of the homes as the NFS server gives it to any client."""
        url = f"nfs://{NFS_SERVER}{self.export}/{path}?version=4"
        return subprocess.run(["nfs-cat", url], capture_output=True, check=True, timeout=30).stdout

    def pods(self, where: str) -> list[str]:
        """Return the names of the pods in the namespace of `gateway`, `kernels` or `hub`."""
        return kube.names("pods", self.namespaces[where])

    def gateways_said(self) -> str:
        """Return the logs of all gateways; any of them may be the one that leads."""
        space = self.namespaces["gateway"]
        return "\n".join(kube.kubectl("logs", name, "-n", space) for name in self.pods("gateway"))

    def kernel_pods(self, user: str) -> list[dict[str, Any]]:
        """Return the pods of a user's kernels."""
        return kube.items("pods", self.namespaces["kernels"], f"{LABEL_USER}={user_slug(user)}")

    def remove(self) -> None:
        """Remove everything, whatever state it is in."""
        for browser in self.browsers.values():
            browser.close()
        self.write()
        done = self.run("destroy", "--yes")
        shutil.rmtree(self.homes)
        shutil.rmtree(self.folder)
        assert done.returncode == 0, done.stderr


def certificate(folder: Path, names: str) -> None:
    """Write an authority, and a certificate that it has signed, into a folder; names are such as `IP:10.0.0.1`."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
    named = ["-addext", f"subjectAltName={names}"]
    # Python 3.13 and newer refuse an authority without key usage, as RFC 5280 does.
    authority = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    for name, more in (("ca", authority), ("tls", [*signed, *named])):
        out = ["-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2"]
        subprocess.run([*request, *out, *more], cwd=folder, check=True, capture_output=True, timeout=60)


@contextmanager
def deployed(site: Site) -> Iterator[Site]:
    """Deploy, and remove all of it afterwards."""
    site.publish()
    site.write()
    try:
        said = site.succeeded("deploy", "--yes")
        assert "smoke: passed" in said
        site.see(said)
        yield site
    finally:
        site.remove()
