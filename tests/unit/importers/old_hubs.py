"""Old configurations of hubs, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.values import Options, imported_values
from kernelpod.importers.report import UNKNOWN, Imported
from kernelpod.settings.sections import Settings

ROOT = Path(__file__).parents[3]
# One folder a world: what is imported, the words of the command, and what comes out of it.
WORLDS = ROOT / "tests" / "importers"


def words_of(world: str) -> list[str]:
    """Return the words of the command that imports a world, beginning with its files."""
    return (WORLDS / world / "words.txt").read_text(encoding="utf-8").split()


SERVERS = {"gateway_url": "http://kernelpod.gateway:8888"}
OPEN = "hub: {config: {Authenticator: {allow_all: true}}}\n"


def run(*words: object, status: int = 0) -> str:
    """Return what `kernelpod import ...` printed."""
    done = CliRunner().invoke(main, ["import", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def notes(made: Imported, key: str) -> list[tuple[str, str]]:
    return [(note.change, note.why) for note in made.notes if note.key == key]


def hub_of(folder: Path, hub: dict[str, Any], lists: dict[str, str] | None = None) -> Path:
    """Write a configuration of one hub with one course."""
    whole = {"mode": "teaching", "course_list": ["ml"], "image": "registry.example/lab:1", **hub}
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"server": {"hub": whole}}), encoding="utf-8")
    for name, text in (lists if lists is not None else {"nbgrader/teaching/ml.csv": "Username\nalice\n"}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "config.yaml"


def unsaid(made: Imported) -> list[str]:
    """Return the values of a source of which nobody knows what became of them."""
    return [note.key for note in made.fates() if note.why == UNKNOWN]


def new_hub(made: Imported) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(made.files["hub.yaml"])
    return data


def mounts(*paths: tuple[str, str], **keys: Any) -> dict[str, Any]:
    volumes = {1: {"name": "disk", "nfs": {"server": "10.0.0.7", "path": "/export"}}}
    given = [{"name": "disk", "mountPath": place, "subPath": path, **keys} for place, path in paths]
    numbered = dict(enumerate(given, 1))
    return {"extra_mounts": {"enabled": True, "volumes": volumes, "volume_mounts": numbered}}


def values_of(folder: Path, data: dict[str, Any]) -> tuple[Imported, dict[str, Any], dict[str, Any]]:
    """Return what is made of values: all, the new values without their secrets, the settings."""
    path = folder / "old.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    made = imported_values(helm_values([path]), Options())
    return made, yaml.safe_load(made.files["values.yaml"]), yaml.safe_load(made.files.get("settings.yaml", b"{}"))


def made_of(folder: Path, *texts: str, **options: Any) -> Imported:
    files = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return imported_values(helm_values(files), Options(**options))


def new(made: Imported) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the new values and settings."""
    settings = yaml.safe_load(made.files.get("settings.yaml", b"{}"))
    Settings.model_validate(settings)
    return yaml.safe_load(made.files["values.yaml"]), settings


def fates(made: Imported) -> dict[str, str]:
    return {note.key: note.change for note in made.fates()}


def asked(made: Imported) -> set[str]:
    return {question.code for question in made.questions}


def storage(more: str) -> str:
    return f"{OPEN}singleuser: {{storage: {{{more}}}}}\n"
