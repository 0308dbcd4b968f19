"""The smoke test: logs in, runs code in a kernel, and checks that the kernel cannot reach forbidden addresses."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import requests

from kernelpod.demo.client import Browser, Kernel, new_session, wait_until
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.rendered import DUMMY, HUB_TOKENS
from kernelpod.deploy.settings import SMOKE_USER, Deployment
from kernelpod.deploy.state import kernel_pods, public_url
from kernelpod.deploy.z2jh import TRIAL
from kernelpod.errors import KernelpodError

CONNECT_SECONDS = 4
# Runs in the kernel and prints the names of the places that it can connect to.
CONNECT = """\
import concurrent.futures, json, socket
def reached(place):
    name, host, port = place
    try:
        socket.create_connection((host, port), {seconds}).close()
    except OSError:
        return ""
    return name
with concurrent.futures.ThreadPoolExecutor() as pool:
    print(json.dumps([name for name in pool.map(reached, {places}) if name]))
"""


class SmokeError(KernelpodError):
    """Something does not work, or something works that must be forbidden."""


def smoke(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    """Check that a user gets a kernel with their home, and that it cannot reach forbidden addresses.

    Removes the test's server, kernel and file. Raises SmokeError if a check fails, ClusterError if the cluster
    does not answer.
    """
    name, password = _user(cluster, deployment)
    with closing(Browser(public_url(cluster, deployment), name)) as browser:
        for url in addresses(browser.url, deployment):
            with progress(f"hub at {url}"):
                # A hub that is ready in the cluster may not be reachable from this machine yet.
                wait_until(functools.partial(hub_answers, url), f"the hub at {url}")
        with progress(f"login of {name}"):
            browser.login(password)
        if browser.has_server():
            raise SmokeError(
                f"{name} already has a server, which the smoke test would stop. Set smoke.user to another user"
            )
        try:
            with progress("server"):
                browser.spawn()
            kernel_id = _kernel_works(cluster, deployment, browser, progress)
        except KernelpodError:
            with suppress(KernelpodError):
                browser.stop_server()
            raise
        with progress("server and kernel removed"):
            browser.stop_server()
            wait_until(lambda: not kernel_pods(cluster, deployment, kernel_id), "the end of the kernel's pod")


def addresses(url: str, deployment: Deployment) -> list[str]:
    """Return the URLs at which the hub must answer: its own and, with subdomains, one of a server's host."""
    if not deployment.hub.subdomains:
        return [url]
    scheme, _, host = url.partition("://")
    return [url, f"{scheme}://{SMOKE_USER}.{host}"]


def hub_answers(url: str) -> bool:
    """Return whether a healthy hub answers. Raises SmokeError if its certificate is not trusted."""
    try:
        with new_session(url) as session:
            return session.get(f"{url}/hub/health", timeout=5).status_code == 200
    except requests.RequestException as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            why = str(error).partition("CERTIFICATE_VERIFY_FAILED] ")[2].partition(" (_ssl")[0]
            raise SmokeError(
                f"the certificate of {url} is not trusted: {why}. The certificate must name the host of hub.url, "
                "and all hosts below it (*.hub.example.org) with hub.subdomains. "
                "If only its authority is unknown here, run: SSL_CERT_FILE=authority.pem kernelpod smoke"
            ) from error
        return False


def _user(cluster: Cluster, deployment: Deployment) -> tuple[str, str]:
    given, name = deployment.smoke, deployment.smoke.user or SMOKE_USER
    if given.user and given.password_file:
        try:
            return given.user, given.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SmokeError(f"smoke.password_file {given.password_file}: {error.strerror}") from error
    if deployment.hub.install == "none" or deployment.hub.authenticator != DUMMY:
        raise SmokeError(
            "the smoke test needs a user who logs in with a password: set smoke.user and smoke.password_file"
        )
    if deployment.hub.courses and not given.user:
        raise SmokeError("the smoke test needs a user who is in a course: set smoke.user")
    where = TRIAL if deployment.hub.install == "z2jh" else HUB_TOKENS
    password = cluster.read_secret(where, deployment.namespaces.hub).get("trial_password", "")
    if not password:
        raise SmokeError("the hub's Secret holds no trial_password; run `kernelpod deploy`")
    return name, password


def _kernel_works(cluster: Cluster, deployment: Deployment, browser: Browser, progress: Progress) -> str:
    spec = deployment.smoke.kernelspec
    with progress("kernelspecs"):
        listed = browser.api("GET", "kernelspecs").json().get("kernelspecs", {})
        if spec not in listed:
            raise SmokeError(
                f"the kernelspec {spec} is not listed; there are: {', '.join(sorted(listed)) or 'none'}"
            )
    with progress(f"kernel {spec}"):
        kernel = browser.start_notebook("smoke.ipynb", spec)
    with closing(kernel):
        with progress("file of the kernel visible in the server"), _file(browser) as file:
            text = uuid.uuid4().hex
            said = kernel.run(f"open({file!r}, 'w').write({text!r}); print('written')")
            answer = browser.api("GET", f"contents/{file}?type=file&format=text")
            if "written" not in said or answer.status_code != 200 or answer.json()["content"] != text:
                raise SmokeError(f"server and kernel do not share the home; output of the kernel: {said[-200:]!r}")
        with progress("connections that must fail"):
            network_is_closed(cluster, deployment, kernel)
    return kernel.kernel_id


@contextmanager
def _file(browser: Browser) -> Iterator[str]:
    name = f"kernelpod-smoke-{uuid.uuid4().hex[:8]}.txt"
    try:
        yield name
    finally:
        browser.api("DELETE", f"contents/{name}")


def network_is_closed(cluster: Cluster, deployment: Deployment, kernel: Kernel) -> None:
    """Check that a kernel cannot reach forbidden addresses, unless the file accepts it. Raises SmokeError."""
    places = [
        ("the API server", _service_address(cluster, "kubernetes", "default"), 443),
        (
            "the gateway",
            _service_address(cluster, _gateway(cluster, deployment), deployment.namespaces.gateway),
            8888,
        ),
        ("the NFS server", deployment.nfs.server, 2049),
    ]
    said = kernel.run(CONNECT.format(seconds=CONNECT_SECONDS, places=repr(places)))
    try:
        reached = json.loads(said)
    except ValueError as error:
        raise SmokeError(f"the kernel could not run the connection test: {said[-300:]}") from error
    if reached and not deployment.allow_unenforced_network:
        raise SmokeError(
            f"a kernel can reach {', '.join(reached)}: the cluster's network does not enforce NetworkPolicy. "
            "Install a network that does, such as Calico or Cilium, or set allow_unenforced_network: true"
        )


def _gateway(cluster: Cluster, deployment: Deployment) -> str:
    selector = f"app.kubernetes.io/instance={deployment.release},app.kubernetes.io/component=gateway"
    for service in cluster.items("services", deployment.namespaces.gateway, selector):
        return str(service["metadata"]["name"])
    raise ClusterError(f"there is no service of the gateway in {deployment.namespaces.gateway}")


def _service_address(cluster: Cluster, name: str, space: str) -> str:
    service = cluster.get("service", name, space)
    if service is None:
        raise ClusterError(f"there is no service {name} in {space}")
    return str(service["spec"]["clusterIP"])
