"""Certificates and kubeconfigs of the cluster, by openssl."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .layout import API_IP, NODE_IP, NODE_NAME
from .shell import run

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
DAYS = "30"


@dataclass(frozen=True)
class Identity:
    """Who a certificate names, what addresses it serves, and whether a kubeconfig uses it."""

    name: str
    subject: str
    addresses: str = ""
    kubeconfig: bool = True


API_NAMES = "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"


def of_node(name: str, address: str, identity: str) -> Identity:
    """The identity of a node's kubelet."""
    return Identity(identity, f"/O=system:nodes/CN=system:node:{name}", f"IP:{address},DNS:{name}")


IDENTITIES = (
    Identity("admin", "/O=system:masters/CN=admin"),
    Identity("controller-manager", "/CN=system:kube-controller-manager"),
    Identity("scheduler", "/CN=system:kube-scheduler"),
    Identity("proxy", "/CN=system:kube-proxy"),
    of_node(NODE_NAME, NODE_IP, "kubelet"),
    Identity("apiserver", "/CN=kube-apiserver", f"IP:127.0.0.1,IP:{NODE_IP},IP:{API_IP},{API_NAMES}", False),
    Identity("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "", False),
)


def make(folder: Path) -> None:
    """Make the authority, a certificate for each identity, kubeconfigs, and the key that signs tokens."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca = (f"{folder}/ca.crt", f"{folder}/ca.key")
    _certificate(*ca, "/CN=kernelpod-test", ["keyUsage=critical,keyCertSign,cRLSign"])
    for identity in IDENTITIES:
        issue(folder, identity)
    signer = folder / "service-accounts.key"
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", signer])
    run(["openssl", "ec", "-in", signer, "-pubout", "-out", signer.with_suffix(".pub")])


def issue(folder: Path, identity: Identity) -> None:
    """Make the identity's key and certificate, by the authority in the folder, and its kubeconfig."""
    files = (f"{folder}/{identity.name}.crt", f"{folder}/{identity.name}.key")
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
    names = [f"subjectAltName={identity.addresses}"] if identity.addresses else []
    signer = ("-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key")
    _certificate(*files, identity.subject, [*extensions, *names], *signer)
    if identity.kubeconfig:
        (folder / f"{identity.name}.kubeconfig").write_text(kubeconfig(folder, identity.name))


def _certificate(certificate: str, key: str, subject: str, extensions: Sequence[str], *signer: str) -> None:
    """Make a key and its certificate, which signs itself unless a signer is given."""
    added = [argument for extension in extensions for argument in ("-addext", extension)]
    out = ["-keyout", key, "-out", certificate, "-days", DAYS, "-subj", subject]
    run(["openssl", "req", "-x509", *NEW_KEY, *out, *added, *signer])


def kubeconfig(folder: Path, name: str) -> str:
    """A kubeconfig with the certificates in it, so that it can be copied anywhere."""

    def data(file: str) -> str:
        return base64.b64encode((folder / file).read_bytes()).decode()

    cluster = {"server": f"https://{NODE_IP}:6443", "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{name}.crt"), "client-key-data": data(f"{name}.key")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kernelpod", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "kernelpod", "context": {"cluster": "kernelpod", "user": name}}],
            "current-context": "kernelpod",
        }
    )
