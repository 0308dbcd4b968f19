"""A changed pod template may add where a pod is scheduled; everything else is refused with its place."""

from __future__ import annotations

import pytest

from doubles import a_plan
from kernelpod.errors import TemplateError
from plans import TEMPLATE, made

SPEC, CONTAINER = "spec:\n  restartPolicy: Never\n", "    - name: kernel\n"
POD = "---\napiVersion: v1\nkind: Pod\n"


def refused(old: str, new: str) -> str:
    """Return what is said of the template with `old` replaced."""
    assert TEMPLATE.count(old) >= 1
    with pytest.raises(TemplateError) as caught:
        made(a_plan(), TEMPLATE.replace(old, new))
    return caught.value.message


ADDED_TO_SPEC = {
    "hostNetwork: true": "Pod.spec.hostNetwork",
    "hostPID: true": "Pod.spec.hostPID",
    "hostIPC: false": "Pod.spec.hostIPC",
    "serviceAccountName: admin": "Pod.spec.serviceAccountName",
    "nodeName: master": "Pod.spec.nodeName",
    "initContainers: [{name: x, image: y}]": "Pod.spec.initContainers",
    "ephemeralContainers: []": "Pod.spec.ephemeralContainers",
    "hostAliases: []": "Pod.spec.hostAliases",
    "dnsPolicy: None": "Pod.spec.dnsPolicy",
}


@pytest.mark.parametrize(("line", "place"), ADDED_TO_SPEC.items())
def test_what_a_pod_may_reach_cannot_be_added(line: str, place: str) -> None:
    assert refused(SPEC, f"{SPEC}  {line}\n").endswith(f"differs from the plan at {place}")


ADDED_TO_CONTAINER = [
    "tty: true",
    "lifecycle: {}",
    "envFrom: [{secretRef: {name: x}}]",
    "args: []",
    "volumeDevices: []",
]


@pytest.mark.parametrize("line", ADDED_TO_CONTAINER)
def test_nothing_can_be_added_to_the_container(line: str) -> None:
    assert "at Pod.spec.containers" in refused(CONTAINER, f"{CONTAINER}      {line}\n")


HOST_PATH = '{"name": "root", "hostPath": {"path": "/"}}'
CHANGED = {
    "a hostPath": ("volumes: {{ volumes | yaml }}", f"volumes: [{HOST_PATH}]", "Pod.spec.volumes"),
    "one more volume": ("{{ volumes | yaml }}", f"{{{{ (volumes + [{HOST_PATH}]) | yaml }}}}", "Pod.spec.volumes"),
    "another image": ("image: {{ plan.image | yaml }}", "image: evil", "Pod.spec.containers"),
    "another user id": ("runAsUser: {{ plan.uid | yaml }}", "runAsUser: 0", "Pod.spec.securityContext.runAsUser"),
    "a user id that is text": ("{{ plan.uid | yaml }}", '"1000"', "Pod.spec.securityContext.runAsUser"),
    "root allowed": ("runAsNonRoot: true", "runAsNonRoot: false", "Pod.spec.securityContext.runAsNonRoot"),
    "true as a number": ("runAsNonRoot: true", "runAsNonRoot: 1", "Pod.spec.securityContext.runAsNonRoot"),
    "another namespace": ("{{ plan.namespace | yaml }}", "kube-system", "Secret.metadata.namespace"),
    "another name": ("name: {{ name | yaml }}", "name: x", "Secret.metadata.name"),
    "other labels": ("{{ labels | yaml }}", '{"app": "x"}', "Secret.metadata.labels"),
    "no labels": ("  labels: {{ labels | yaml }}\n", "", "Secret.metadata.labels"),
    "privileges": ("allowPrivilegeEscalation: false", "privileged: true", "Pod.spec.containers"),
    "capabilities": ('drop: ["ALL"]', 'add: ["SYS_ADMIN"]', "Pod.spec.containers"),
    "no seccomp": ("type: RuntimeDefault", "type: Unconfined", "Pod.spec.securityContext.seccompProfile"),
    "no limits": ("      resources: {{ resources | yaml }}\n", "", "Pod.spec.containers"),
    "a service account's token": ('{{ (service_account != "") | yaml }}', "true", "Pod.spec.automount"),
    "a service account": ("  enableServiceLinks", "  serviceAccountName: admin\n  enableServiceLinks", "Pod.spec"),
    "a mutable secret": ("immutable: true", "immutable: false", "Secret.immutable"),
    "more in the secret": ("stringData:", "stringData:\n  x: y", "Secret.stringData.x"),
    "a list for a spec": (f"{SPEC}", "metadata2: []\nspec:\n  restartPolicy: Never\n", "Pod.metadata2"),
    "an owner": ("  namespace:", "  ownerReferences: []\n  namespace:", "Secret.metadata.ownerReferences"),
}


@pytest.mark.parametrize(("old", "new", "place"), CHANGED.values(), ids=CHANGED)
def test_what_the_plan_decides_cannot_be_changed(old: str, new: str, place: str) -> None:
    assert f"differs from the plan at {place}" in refused(old, new)


@pytest.mark.parametrize(
    "more", ["---\nkind: Pod\n", "---\n[]\n", "---\nkind: ClusterRoleBinding\n", "---\n", f"{POD}metadata: {{}}\n"]
)
def test_a_template_makes_exactly_a_secret_and_a_pod(more: str) -> None:
    with pytest.raises(TemplateError, match="must make exactly a Secret and a Pod"):
        made(a_plan(), TEMPLATE + more)


@pytest.mark.parametrize("template", ["", "null", "a: 1", "[]\n---\n[]", "1\n---\n2"])
def test_a_template_that_makes_something_else_is_refused(template: str) -> None:
    with pytest.raises(TemplateError, match="must make exactly a Secret and a Pod"):
        made(a_plan(), template)


@pytest.mark.parametrize("spec", ["[]", "words", "null", "1"])
def test_a_pod_whose_spec_is_no_mapping_is_refused(spec: str) -> None:
    secret = TEMPLATE.split("---\n")[0]
    with pytest.raises(TemplateError, match="differs from the plan"):
        made(a_plan(), f"{secret}{POD}spec: {spec}\n")


BROKEN = {
    "an unknown variable": ("{{ nothing_like_it }}", "cannot be rendered"),
    "an open tag": ("{% if %}", "cannot be rendered"),
    "a way out of the sandbox": ("{{ ''.__class__.__mro__ }}", "cannot be rendered"),
    "changing what it was given": ("{{ plan.update({'uid': 0}) }}", "cannot be rendered"),
    "an error of its own": ("{{ 1 / 0 }}", "cannot be rendered"),
    "a wrong type": ("{{ 1 + 'a' }}", "cannot be rendered"),
    "no end": ("{{ range(999999999) | list }}", "cannot be rendered"),
    "no yaml": ("a: [\n", "does not make YAML"),
    "a tag": ("!!python/object/apply:os.system ['id']\n", "does not make YAML"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_template_is_an_error_that_says_so(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        made(a_plan(), text + TEMPLATE)


def test_scheduling_may_be_added() -> None:
    more = (
        "  nodeSelector: {disk: fast}\n  tolerations: [{key: gpu, operator: Exists}]\n  priorityClassName: low\n"
    )
    spec = made(a_plan(), TEMPLATE.replace(SPEC, SPEC + more)).pod["spec"]
    assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"disk": "fast"}, "low")


def test_the_error_holds_no_key() -> None:
    assert "k" * 64 not in refused("{{ connection_json | yaml }}", "'{}'")
    assert refused("{{ connection_json | yaml }}", "'{}'").endswith("Secret.stringData.connection.json")
