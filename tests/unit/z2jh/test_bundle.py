"""The package in the values: all that the chart's hub imports, and no more."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from hub_settings import SECTIONS, WITH_COURSES, values, with_token

from kernelpod.z2jh.bundle import packed


def test_with_courses_the_values_bring_package_settings_and_volume_along() -> None:
    made = values(WITH_COURSES)["hub"]
    assert made["extraVolumes"][0]["persistentVolumeClaim"]["claimName"] == "courses-files"
    assert made["extraVolumeMounts"][0]["mountPath"] == "/etc/courses"
    archive = base64.b64decode(made["extraFiles"]["kernelpod"]["binaryData"])
    assert len(archive) < 400_000, "the chart puts it into a Secret, which holds 1 MiB"
    assert archive == packed()
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert {"kernelpod/z2jh/hook.py", "kernelpod/courses/roster.py", "kernelpod/start/entitlements.py"} <= set(
        names
    )
    assert "very-secret" not in yaml.safe_dump(values(with_token))
    singleuser = values(WITH_COURSES)["singleuser"]
    assert singleuser["storage"] == {"type": "none", "homeMountPath": "/home/jovyan"}
    assert "KERNEL_PATH" not in singleuser["extraEnv"]


# In a process of its own, where this package is imported from the archive: what the chart's hub does with them.
AS_THE_CHARTS_HUB = """
import asyncio, json, sys
from types import SimpleNamespace
from traitlets.config import Config
values, folder = json.load(open(sys.argv[1])), sys.argv[2]
c = Config()
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.KubeSpawner.environment = dict(values["singleuser"]["extraEnv"])
c.KubeSpawner.update(values["hub"]["config"]["KubeSpawner"])
exec(values["hub"]["extraConfig"]["90-kernelpod"].replace("/usr/local/share/jupyterhub", folder))
import kernelpod.z2jh.hook
assert kernelpod.__file__.startswith(folder), kernelpod.__file__
import kubespawner.spawner
kubespawner.spawner.load_config = lambda **_: None
kubespawner.spawner.shared_client = lambda *_, **__: None
from jupyterhub.objects import Hub, Server

async def main():
    who = c.JupyterHub.authenticator_class(config=c)
    async def enters(name):
        return await who.get_authenticated_user(None, {"username": name, "password": ""})
    in_ = [name for name in ("alice", "nobody") if await enters(name)]
    user = SimpleNamespace(name="alice", groups=[], url="/u/", escaped_name="alice", id=1, server=None)
    spawner = c.JupyterHub.spawner_class(config=c, hub=Hub(), user=user, _mock=True)
    spawner.orm_spawner = SimpleNamespace(user_options={}, name="", state={}, server=None)
    spawner.user_options, spawner.server, spawner.api_token = {}, Server(), "t"
    await spawner.run_pre_spawn_hook()
    await spawner.load_user_options()
    pod = (await spawner.get_pod_manifest()).to_dict()
    server = pod["spec"]["containers"][0]
    print(json.dumps({
        "in": in_,
        "mounts": [mount["mountPath"] for mount in server["volume_mounts"]],
        "home": spawner.get_env()["KERNEL_PATH"],
        "image": server["image"],
        "first": [one["name"] for one in pod["spec"]["init_containers"]],
        "page": await page("admin.html"),
    }))

async def page(name):
    from jinja2 import DictLoader, ChoiceLoader, Environment, FileSystemLoader
    stock = DictLoader({"templates/admin.html": "{% extends 'page.html' %}", "templates/page.html":
        "{% block stylesheet %}{% endblock %}{% block announcement %}{% endblock %}"})
    loader = ChoiceLoader([stock, FileSystemLoader(c.JupyterHub.template_paths)])
    given = {key: value(None) if callable(value) else value for key, value in c.JupyterHub.template_vars.items()}
    environment = Environment(loader=loader, autoescape=True, enable_async=True)
    return await environment.get_template(name).render_async(given)
asyncio.run(main())
"""


@pytest.mark.hub
def test_the_charts_hub_follows_the_courses_with_the_package_from_the_values(tmp_path: Path) -> None:
    pytest.importorskip("kubespawner")
    courses = tmp_path / "courses.yaml"
    course = {"image": "lab:1", "folder": {"path": "f", "mount_path": "/srv/course"}, "students": ["alice"]}
    theme = {"logo": "none.png", "colours": {"bar": "#003366"}, "announcement": {"text": "Maintenance"}}
    whole = {"storage": {"root": "/c"}, "theme": theme, "courses": {"ml": course}}
    courses.write_text(yaml.safe_dump(whole), encoding="utf-8")
    made = values({**SECTIONS, "hubs": [{"courses": str(courses)}]})
    files = made["hub"]["extraFiles"]
    (tmp_path / "kernelpod.zip").write_bytes(base64.b64decode(files["kernelpod"]["binaryData"]))
    (tmp_path / "kernelpod-settings.yaml").write_text(files["kernelpod-settings"]["stringData"], encoding="utf-8")
    for file in files.values():
        path = tmp_path / Path(file["mountPath"]).relative_to("/usr/local/share/jupyterhub")
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".html":
            path.write_text(file["stringData"], encoding="utf-8")
    (tmp_path / "values.json").write_text(json.dumps(made), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", AS_THE_CHARTS_HUB, str(tmp_path / "values.json"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    page = said.pop("page")
    assert "Maintenance" in page
    assert "0, 51, 102" in page
    assert "theme.logo: there is no file" in page
    assert said == {
        "in": ["alice"],
        "mounts": ["/home/jovyan", "/srv/course"],
        "home": "/homes/alice",
        "image": "lab:1",
        "first": ["home"],
    }
