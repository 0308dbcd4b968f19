"""`kernelpod specs images`, `check-images`: list the images of kernelspecs and check that they exist."""

from __future__ import annotations

from pathlib import Path

import click

from kernelpod.base.clustertools import find_kubectl
from kernelpod.cli.places import context_option
from kernelpod.cli.specs.options import json_option, progress, say_json, say_table, source_argument
from kernelpod.deploy.cluster import Cluster
from kernelpod.kernelspecs.folders import images_of, read_all
from kernelpod.kernelspecs.registries.images import NAMED_BY_KUBELET, Answer, on_nodes
from kernelpod.kernelspecs.registries.registry import ask

CHOICES = ("registry", "require", "nodes", "skip")
COLOURS = {"found": "green", "missing": "red", "unknown": "yellow"}


@click.command()
@source_argument
@json_option
def images(folder: Path, as_json: bool) -> None:
    """Print the images of all kernelspecs and profiles, each once. Nodes should pull them beforehand.

    \b
    Example:
      kernelpod specs images kernelspecs
    """
    found = images_of(read_all(folder))
    if as_json:
        say_json(found)
    else:
        click.echo("\n".join(found))


@click.command("check-images")
@source_argument
@click.option(
    "--nodes",
    is_flag=True,
    help=f"Ask the cluster's nodes instead of registries. Each reports at most {NAMED_BY_KUBELET} images.",
)
@context_option
@json_option
def check_images(folder: Path, nodes: bool, context: str, as_json: bool) -> None:
    """Check whether each image is found, missing, or unknown with the reason. Exit 1 if any is missing.

    Registry logins are read from `docker login` (~/.docker/config.json).

    \b
    Examples:
      kernelpod specs check-images kernelspecs
      kernelpod specs check-images kernelspecs --nodes --json
    """
    wanted = images_of(read_all(folder))
    answers = ask_for_images(wanted, "nodes" if nodes else "registry", context)
    rows = [{"state": answer.state, "image": answer.image, "reason": answer.reason} for answer in answers]
    if as_json:
        say_json(rows)
    else:
        say_table(rows, COLOURS)
    raise SystemExit(1 if any(answer.state == "missing" for answer in answers) else 0)


def check(images: list[str], choice: str, context: str) -> list[Answer]:
    """Return the answers for images that were not found. `choice` is one of CHOICES."""
    return [answer for answer in ask_for_images(images, choice, context) if answer.state != "found"]


def ask_for_images(images: list[str], choice: str, context: str) -> list[Answer]:
    """Return an answer for each image, from registries or from nodes. `choice` is one of CHOICES."""
    if choice == "skip":
        return []
    with progress()("checking images"):
        if choice == "nodes":
            return on_nodes(images, Cluster(find_kubectl(context), ()).items("nodes"))
        return ask(images, Path.home() / ".docker" / "config.json")
