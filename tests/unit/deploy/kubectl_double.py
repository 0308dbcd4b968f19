"""A kubectl that keeps what it is told, for what is to work without a cluster."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

import yaml

from kernelpod.deploy.cluster import Cluster

SECRET = ("Secret", "gateway", "kernelpod-manifests")


class Kubectl:
    """A cluster that keeps what kubectl is told, by kind, namespace and name; there is no helm."""

    def __init__(self, version: tuple[str, str] = ("1", "34")) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.asked: list[list[str]] = []
        self.refuses = ""
        """A word of commands that fail."""
        self._version = version
        self._writes = 0

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        assert command[0] == "kubectl", command
        self.asked.append(command)
        try:
            if self.refuses and self.refuses in command:
                raise ValueError(f"{self.refuses} is refused")
            said = self._done(command[1:], list(yaml.safe_load_all(given)) if given else [])
        except ValueError as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))
        return subprocess.CompletedProcess(command, 0, said, "")

    def _done(self, words: list[str], given: list[dict[str, Any]]) -> str:
        if words[0] == "version":
            major, minor = self._version
            return json.dumps(
                {"serverVersion": {"major": major, "minor": minor, "gitVersion": f"v{major}.{minor}"}}
            )
        if words[0] in ("apply", "create", "replace"):
            return [self._write(words[0], one) for one in given][-1]
        if words[0] == "delete":
            self._delete(words, given)
        if words[0] == "get":
            return self._got(words, given)
        return ""

    def _write(self, verb: str, one: dict[str, Any]) -> str:
        there = self.objects.get(identity(one))
        if verb == "create" and there:
            raise ValueError("Error from server (AlreadyExists)")
        version = one["metadata"].get("resourceVersion")
        if verb == "replace" and there and version != there["metadata"]["resourceVersion"]:
            raise ValueError("Error from server (Conflict)")
        self._writes += 1
        if text := one.pop("stringData", None):
            one["data"] = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
        one["metadata"]["resourceVersion"] = str(self._writes)
        self.objects[identity(one)] = one
        return json.dumps(one)

    def _got(self, words: list[str], given: list[dict[str, Any]]) -> str:
        if given:
            found = [self.objects[identity(one)] for one in given if identity(one) in self.objects]
            return json.dumps({"items": found})
        kind, name = words[1].lower().removesuffix("s"), words[2]
        if name.startswith("-"):
            found = [one for key, one in self.objects.items() if key[0].lower() == kind]
            if "owner=helm,name=kernelpod" in words:
                found = [
                    one for one in found if one["metadata"]["name"].startswith("sh.helm.release.v1.kernelpod.")
                ]
            return json.dumps({"items": found})
        space = words[words.index("-n") + 1] if "-n" in words else ""
        wanted = (kind, space, name)
        named = [one for key, one in self.objects.items() if (key[0].lower(), *key[1:]) == wanted]
        return json.dumps(named[0]) if named else ""

    def _delete(self, words: list[str], given: list[dict[str, Any]]) -> None:
        """Delete objects, and all that is in a namespace that is deleted."""
        gone = {identity(one) for one in given}
        if words[1] == "secret":
            gone.add(("Secret", words[words.index("-n") + 1], words[2]))
        spaces = {name for kind, _, name in gone if kind == "Namespace"}
        spaces |= {words[2]} if words[1] == "namespace" else set()
        for key in list(self.objects):
            if key in gone or key[1] in spaces or (key[0] == "Namespace" and key[2] in spaces):
                del self.objects[key]

    @property
    def cluster(self) -> Cluster:
        return Cluster(("kubectl",), ("helm",), run=self)

    @property
    def names(self) -> set[tuple[str, str, str]]:
        """What there is, besides the Secret with the manifests."""
        return set(self.objects) - {SECRET}

    def kept(self) -> set[str]:
        """The keys of the Secret with the manifests."""
        return set(self.objects[SECRET]["data"])


def identity(one: dict[str, Any]) -> tuple[str, str, str]:
    """Return kind, namespace and name."""
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]
