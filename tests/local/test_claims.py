"""What a client claims to be or to own is compared with the proof; a false claim starts and makes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import user_model


def homes(site: Any) -> set[str]:
    return {str(path.relative_to(site.homes)) for path in site.homes.rglob("*")}


FORGED = {
    "another name": ({"KERNEL_USERNAME": "bob"}, "foreign_username"),
    "root": ({"KERNEL_USERNAME": "root"}, "foreign_username"),
    "no name": ({"KERNEL_USERNAME": ""}, "foreign_username"),
    "another's home": ({"KERNEL_PATH": "{homes}/bob"}, "foreign_home"),
    "dots": ({"KERNEL_PATH": "{homes}/alice/../bob"}, "foreign_home"),
    "dots to her own": ({"KERNEL_PATH": "{homes}/bob/../alice"}, "foreign_home"),
    "double slash": ({"KERNEL_PATH": "{homes}//alice"}, "foreign_home"),
    "trailing slash": ({"KERNEL_PATH": "{homes}/alice/"}, "foreign_home"),
    "all homes": ({"KERNEL_PATH": "{homes}"}, "foreign_home"),
    "the machine": ({"KERNEL_PATH": "/"}, "foreign_home"),
    "a new folder": ({"KERNEL_PATH": "{homes}/new"}, "foreign_home"),
    "a shell's words": ({"KERNEL_PATH": "$(touch {homes}/made)"}, "foreign_home"),
    "bob in full": ({"KERNEL_USERNAME": "bob", "KERNEL_PATH": "{homes}/bob"}, "foreign_username"),
}


@pytest.mark.parametrize(("env", "code"), FORGED.values(), ids=FORGED)
def test_a_forged_claim_is_refused_and_leaves_nothing(site: Any, env: dict[str, str], code: str) -> None:
    before = homes(site)
    claims = {name: text.replace("{homes}", str(site.homes)) for name, text in env.items()}
    answer = site.alice.post(**claims)
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert homes(site) == before
    assert site.traces() == []


def test_true_claims_are_accepted(site: Any) -> None:
    kernel_id = site.alice.start(KERNEL_USERNAME="alice", KERNEL_PATH=str(site.homes / "alice"))
    assert (
        site.alice.run(kernel_id, "import os; print(os.getcwd(), os.environ['HOME'])").split()
        == ["/home/jovyan"] * 2
    )


def test_without_claims_the_home_is_filled_in(site: Any) -> None:
    (site.homes / "alice" / "note.txt").write_text("hers", encoding="utf-8")
    assert site.alice.run(site.alice.start(), "print(open('note.txt').read())") == "hers\n"


@pytest.mark.parametrize(
    "name", ["KERNEL_UID", "KERNEL_GID", "KERNEL_ID", "KERNEL_IMAGE", "KERNEL_NAMESPACE", "PATH"]
)
def test_what_would_choose_too_much_is_dropped(site: Any, name: str) -> None:
    kernel_id = site.alice.start(**{name: "0"})
    code = f"import os; print(os.getuid(), os.environ.get({name!r}) == '0')"
    assert site.alice.run(kernel_id, code).split()[1] == "False"
    assert site.alice.run(kernel_id, "import os; print(os.getuid())") != "0\n"
    assert f"ignored 1: {name}; from" in site.gateway.log


def test_a_service_called_alice_has_neither_her_kernels_nor_her_ownership(site: Any) -> None:
    site.hub.users["service-token"] = user_model("alice", kind="service")
    kernel_id, service = site.alice.start(), site.by("service-token")
    assert service.ids() == []
    assert service.ask("GET", f"kernels/{kernel_id}").status_code == 404


def test_a_missing_home_is_said_and_not_made(site: Any) -> None:
    site.hub.users["erin-token"] = user_model("erin")
    answer = site.by("erin-token").post()
    assert (answer.status_code, answer.json()["code"]) == (500, "home_missing")
    assert str(site.homes / "erin") in answer.json()["message"]
    assert not (site.homes / "erin").exists()
    assert site.traces() == []


@pytest.mark.parametrize("target", ["bob", "../..", "/etc"])
def test_a_home_that_is_a_link_to_another_is_refused(site: Any, target: str) -> None:
    site.hub.users["mallory-token"] = user_model("mallory")
    link = site.homes / "mallory"
    link.symlink_to(target)
    answer = site.by("mallory-token").post()
    link.unlink()
    assert (answer.status_code, answer.json()["code"]) == (500, "home_escapes")
    assert site.traces() == []


def test_a_user_name_that_looks_like_a_path_stays_in_its_own_home(site: Any) -> None:
    site.hub.users["dots-token"] = user_model("../bob")
    answer = site.by("dots-token").post()
    assert answer.json()["code"] == "home_missing"
    assert f"{site.homes}/bob---" in answer.json()["message"]
