"""`kernelpod hub secrets`: files that are made once, for their owner only, and never changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kernelpod.cli.main import main
from kernelpod.deploy import hubsecrets

NAMES = ["cookie_secret", "proxy_token", "crypt_key"]


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["hub", "secrets", "--folder", str(folder), *words])


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def test_they_are_made_once_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "secrets"
    said = run(folder)
    assert said.exit_code == 0, said.output
    first = contents(folder)
    assert sorted(first) == sorted(NAMES)
    assert len(set(first.values())) == 3
    for name, text in first.items():
        assert re.fullmatch(r"[0-9a-f]{64}\n", text)
        assert (folder / name).stat().st_mode & 0o777 == 0o600
        assert text.strip() not in said.output
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "made nothing" in run(folder).output
    assert contents(folder) == first


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "crypt_key").unlink()
    said = json.loads(run(tmp_path, "--json").stdout)
    assert (said["made"], said["kept"]) == (["crypt_key"], ["cookie_secret", "proxy_token"])
    after = contents(tmp_path)
    assert after.pop("crypt_key") != before.pop("crypt_key")
    assert after == before


def test_a_shell_sets_what_the_hub_reads(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    printed = run(folder).stdout
    script = f'{printed}\nprintf "%s\\n" "$JPY_COOKIE_SECRET" "$CONFIGPROXY_AUTH_TOKEN" "$JUPYTERHUB_CRYPT_KEY"'
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == "".join((folder / name).read_text(encoding="utf-8") for name in NAMES)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("a" * 64, 0o644, "can be read by others; run: chmod 600"),
        ("a" * 63, 0o600, "does not hold 64 hexadecimal digits; it was not changed"),
        ("", 0o600, "does not hold 64 hexadecimal digits"),
    ],
)
def test_a_file_that_cannot_be_one_stops_it_and_stays(tmp_path: Path, text: str, mode: int, said: str) -> None:
    file = tmp_path / "crypt_key"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    done = run(tmp_path)
    assert done.exit_code != 0
    assert said in done.output
    assert contents(tmp_path) == {"crypt_key": text}


def test_links_and_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "crypt_key").symlink_to(tmp_path / "elsewhere")
    done = run(tmp_path)
    assert "crypt_key is not a file" in done.output
    assert os.listdir(tmp_path) == ["crypt_key"]  # noqa: PTH208
    assert "cannot be stored in" in run(Path("/dev/null/x")).output


def test_of_two_at_once_one_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one finds a file where there was none."""
    run(tmp_path)
    before = contents(tmp_path)
    monkeypatch.setattr(hubsecrets, "_is_there", lambda _: False)
    assert "File exists" in run(tmp_path).output
    assert contents(tmp_path) == before
