"""The settings file: what is wrong in it is said with its place and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from kernelpod.errors import SettingsError
from kernelpod.settings.hubs import Hub
from kernelpod.settings.loading import FILE_VARIABLE, default_file, load
from kernelpod.settings.sections import Settings


def told(tmp_path: Path, text: str) -> list[str]:
    """Return the lines of the error that a settings file causes, without the first."""
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert str(file) in caught.value.message
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


WRONG = {
    "typo": ("home:\n  root: /x", ["home: unknown key; did you mean homes?"]),
    "typo below": ("homes: {rooot: /x}", ["homes.rooot: unknown key; did you mean root?"]),
    "typo in a list item": ("hubs: [{api_urll: x}]", ["hubs.0.api_urll: unknown key; did you mean api_url?"]),
    "nothing near": ("start: {zzz: 1}", ["start.zzz: unknown key; known keys: launch_timeout_seconds, grace"]),
    "unit left out": ("start: {launch_timeout: 5}", ["did you mean launch_timeout_seconds?"]),
    "unit in the value": ('start: {launch_timeout_seconds: "60s"}', ["a plain number of seconds"]),
    "bytes with a unit": ("gateway: {max_body_bytes: 1Mi}", ["a plain number of bytes"]),
    "wrong type": ("homes: [1]", ["homes: "]),
    "wrong choice": ("runtime: {kind: docker}", ["runtime.kind: Input should be 'local' or 'kubernetes'"]),
    "an authority that nobody reads": (
        "servers: {extension: false, gateway_ca_file: /ca}",
        ["servers.gateway_ca_file: servers without kernelpod"],
    ),
    "half a certificate for a hub": ("hubs: [{key_file: /k}]", ["hubs.0: cert_file and key_file belong together"]),
    "half a certificate": ("gateway: {cert_file: /c}", ["gateway: cert_file and key_file belong together"]),
    "not a number of seconds": ("identity: {cache_seconds: .inf}", ["identity.cache_seconds: "]),
    "negative": ("policy: {max_kernels: -1}", ["policy.max_kernels: "]),
    "relative root": ("homes: {root: home}", ["homes.root: write an absolute path"]),
    "dots": ("homes: {root: /home/../etc}", ["homes.root: write an absolute path"]),
    "double slash": ("homes: {root: /home//x}", ["homes.root: write an absolute path"]),
    "trailing slash": ("homes: {mount_path: /home/jovyan/}", ["homes.mount_path: write an absolute path"]),
    "template without user": ("homes: {path_template: all}", ["homes: path_template needs {username}"]),
    "template escapes": ('homes: {path_template: "../{username}"}', ["homes.path_template: write a relative"]),
    "template unknown": ('homes: {path_template: "{user}"}', ["homes.path_template: unknown placeholder"]),
    "template broken": ('homes: {path_template: "{username"}', ["homes.path_template: not a template"]),
    "root pods": ("policy: {uid: 0}", ["policy.uid: pods never run as root"]),
    "a rule for nobody": ("policy: {rules: [{uid: 5}]}", ["policy.rules.0: a rule must name users or groups"]),
    "a root rule": ("policy: {rules: [{users: [a], uid: 0}]}", ["policy.rules.0.uid: "]),
    "nfs without server": ("homes: {volume: {kind: nfs}}", ["homes.volume: a volume of kind nfs needs server"]),
    "no hub": ("hubs: []", ["hubs: "]),
    "long state folder": (f"runtime: {{local: {{state_dir: /{'x' * 60}}}}}", ["runtime.local: state_dir must be"]),
    "two tokens": ("hubs: [{token: a, token_file: /b}]", ["hubs.0: give token or token_file, not both"]),
    "mount at the home": ("mounts: [{name: m, root: /m, mount_path: /home/jovyan}]", ["its own mount_path"]),
    "mount named as a pod's volume": (
        "mounts: [{name: connection-own, root: /m, mount_path: /m}]",
        ["its own name"],
    ),
    "mount named home": ("mounts: [{name: home, root: /m, mount_path: /m}]", ["its own name"]),
    "mount without name": ("mounts: [{root: /m, mount_path: /m}]", ["mounts.0.name: Field required"]),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_one_mistake_makes_one_line_that_names_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    lines = told(tmp_path, text)
    assert len(lines) == len(expected), lines
    assert all(want in line for want, line in zip(expected, lines, strict=True)), lines


def test_several_mistakes_make_several_lines(tmp_path: Path) -> None:
    assert len(told(tmp_path, "home: 1\nhubs: [{timeout_seconds: x, nmae: y}]\n")) == 3


def test_a_value_is_never_repeated_since_it_may_be_a_secret(tmp_path: Path) -> None:
    for text in (
        "hubs: [{token: [hunter2]}]",
        "hubs: [{token: {a: hunter2}}]",
        "hubs: hunter2",
        "hubs: [hunter2]",
    ):
        assert "hunter2" not in "".join(told(tmp_path, text))


@pytest.mark.parametrize("text", ["- a\n- b", "just words", "42"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="must be a mapping with keys such as homes:"):
        load(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    "content",
    [b"a: [", b"a: b: c", b"\ta: 1", b"a: *nowhere", b"!!python/object:os.system {}"],
)
def test_a_file_that_is_not_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match="is not YAML"):
        load(tmp_path / "s.yaml")


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"a: " + b"[" * 20_000)
    with pytest.raises(SettingsError, match="nested more than 20 levels"):
        load(tmp_path / "s.yaml")


LEAKS = {
    "a broken line": ("hubs:\n  - token: hunter2 hunter3: x\n", ":2:"),
    "an open quote": ("hubs:\n  - token: 'hunter2\n", ":3:1:"),
    "a secret like a tag": ("hubs:\n  - token: !hunter2\n", ":2:12:"),
    "a secret like an alias": ("hubs:\n  - token: *hunter2\n", ":2:12:"),
    "a secret like a broken number": ("hubs:\n  - token: 0b_\n    x: hunter2\n", "quote it"),
    "a secret in a quantity": ("policy:\n  rules: [{users: [a], bounds: {memory: hunter2}}]\n", ":2:"),
    "a login in a URL": ("hubs:\n  - api_url: http://gateway:hunter2@hub:8081/hub/api\n", ":2:5:"),
    "a login in the other URL": ("servers:\n  gateway_url: http://hunter2@gateway:8888\n", ":2:3:"),
}


@pytest.mark.parametrize(("text", "place"), LEAKS.values(), ids=LEAKS)
def test_a_mistake_is_said_with_its_place_and_not_with_the_content(tmp_path: Path, text: str, place: str) -> None:
    said = "\n".join(told(tmp_path, text))
    assert "hunter" not in said
    assert f"{tmp_path / 'settings.yaml'}:" in said
    assert place in said


def test_what_pydantic_says_by_itself_holds_no_value() -> None:
    for model, given in ((Settings, {"hubs": [{"token": ["hunter2"]}]}), (Hub, {"api_url": "hunter2"})):
        with pytest.raises(ValidationError) as caught:
            model.model_validate(given)
        assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe")
    for name in ("absent.yaml", "latin.yaml", ""):
        with pytest.raises(SettingsError, match="cannot be read"):
            load(tmp_path / name)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert load(tmp_path / "s.yaml") == load(None) == Settings()


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings.model_validate({"hubs": [{"token": "hunter2"}]})
    assert settings.model_dump(mode="json")["hubs"][0]["token"] == "**********"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_the_service_token_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  hunter2\n", encoding="utf-8")
    token = Hub(token_file=file).service_token()
    assert token is not None
    assert token.get_secret_value() == "hunter2"
    assert Hub().service_token() is None


def test_a_token_file_without_token_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="is empty; write the service's token into it"):
        Hub(token_file=tmp_path / "empty").service_token()
    with pytest.raises(SettingsError, match="No such file"):
        Hub(token_file=tmp_path / "absent").service_token()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().policy.uid = 5  # type: ignore[misc]


def test_root_is_for_a_local_sandbox_only() -> None:
    assert Settings.model_validate({"policy": {"uid": 0}, "runtime": {"kind": "local"}}).policy.uid == 0


def test_which_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_file() is None
    found = tmp_path / "kernelpod" / "settings.yaml"
    found.parent.mkdir()
    found.touch()
    assert default_file() == found
    monkeypatch.setenv(FILE_VARIABLE, "/named.yaml")
    assert default_file() == Path("/named.yaml")
