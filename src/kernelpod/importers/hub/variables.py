"""Converts the environment variables of servers in values of Zero to JupyterHub."""

from __future__ import annotations

from kernelpod.findings.yamlfile import Keys
from kernelpod.hub.needs.rule import is_no_template
from kernelpod.importers.moves import Values


def list_as_mapping(values: Values) -> None:
    """Turn a list of variables into a mapping, which is the other form that the chart takes."""
    keys: Keys = ("singleuser", "extraEnv")
    given = values.get(keys)
    if not isinstance(given, list):
        return
    began = values.came_from(keys)
    values.pop(keys)
    for number, one in enumerate(given):
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not {"value", "valueFrom"} & one.keys():
            values.made.note((*began, number), "dropped", "a variable needs a name and a value")
            continue
        value = one["value"] if "value" in one else {"valueFrom": one["valueFrom"]}
        values.pop((*keys, name))  # of two variables of one name the last one counts
        values.put((*keys, name), value, (*began, number))
    values.made.note(began, "changed", "it is a mapping by name now")


def clean_variables(values: Values) -> None:
    """Take out variables that the generated values or kernelspecs decide."""
    for name, value in list(values.section("singleuser.extraEnv").items()):
        keys = ("singleuser", "extraEnv", name)
        if name in ("KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS"):
            values.drop(keys, "mounts of kernels come from the gateway's settings (homes, mounts)")
        elif name.startswith("KERNEL_"):
            values.drop(keys, "kernelspecs and policy decide what kernels get")
        elif name.startswith("JUPYTER_GATEWAY_"):
            values.drop(keys, "the values of kernelpod set it")
        elif name == "JUPYTERHUB_SINGLEUSER_APP":
            values.drop(keys, "Jupyter Server is the default")
        elif is_no_template(None, value):
            values.section("singleuser.extraEnv")[name] = value.replace("{", "{{").replace("}", "}}")
            values.note(keys, "changed", "its braces are doubled: since 3.0.0 KubeSpawner replaces {...}")
        elif isinstance(value, str) and set(value) & set("{}"):
            why = "since 3.0.0 KubeSpawner replaces {...}: double literal braces"
            values.note(keys, "warning", why)
