"""Private authorities and their certificates: what they are for, when they are renewed, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kernelpod.deploy.authority import (
    AUTHORITY_DAYS,
    CERTIFICATE_DAYS,
    Pair,
    authority,
    certificate,
    end,
    ends_soon,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
NAMES = ["kernelpod.gateway", "10.0.0.9"]


def parsed(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def later(days: float) -> datetime:
    return NOW + timedelta(days=days)


def test_an_authority_signs_only_certificates_and_these_are_of_servers_and_clients() -> None:
    root = authority("ours", None, NOW)
    made = certificate(NAMES, root, None, NOW)
    parsed(made).verify_directly_issued_by(parsed(root))
    extensions = parsed(root).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    extensions = parsed(made).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kernelpod.gateway"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.9"]
    assert (end(root.certificate), end(made.certificate)) == (later(AUTHORITY_DAYS), later(CERTIFICATE_DAYS))
    assert made.key != root.key


@pytest.mark.parametrize(
    ("days", "renewed"), [(0, False), (CERTIFICATE_DAYS - 31, False), (CERTIFICATE_DAYS - 29, True)]
)
def test_a_certificate_is_kept_until_it_ends_within_thirty_days(days: float, renewed: bool) -> None:
    root = authority("ours", None, NOW)
    made = certificate(NAMES, root, None, NOW)
    assert (certificate(NAMES, root, made, later(days)) != made) == renewed
    assert ends_soon(end(made.certificate), later(days)) == renewed


def test_a_renewed_authority_keeps_its_key_and_name_so_that_nobody_notices() -> None:
    root = authority("ours", None, NOW)
    assert authority("ours", root, later(AUTHORITY_DAYS - 31)) == root
    renewed = authority("ours", root, later(AUTHORITY_DAYS - 29))
    assert (renewed.certificate != root.certificate, renewed.key) == (True, root.key)
    made = certificate(NAMES, renewed, None, later(AUTHORITY_DAYS - 29))
    parsed(made).verify_directly_issued_by(parsed(root))
    assert certificate(NAMES, root, made, later(AUTHORITY_DAYS - 28)) == made


def test_a_certificate_for_other_names_or_of_another_authority_or_a_damaged_one_is_made_anew() -> None:
    root = authority("ours", None, NOW)
    made = certificate(NAMES, root, None, NOW)
    other = certificate(NAMES, authority("ours", None, NOW), None, NOW)
    for former, names in ((made, ["gateway.other"]), (other, NAMES), (Pair(made.certificate, other.key), NAMES)):
        again = certificate(names, root, former, NOW)
        assert again != former
        parsed(again).verify_directly_issued_by(parsed(root))
    for damaged in (Pair("", ""), Pair("x", made.key), Pair(made.certificate, "")):
        assert certificate(NAMES, root, damaged, NOW) != damaged


@pytest.mark.parametrize("part", ["certificate", "key", "another's key", "an encrypted key"])
def test_an_authority_that_cannot_be_used_is_an_error_and_not_another_one(part: str) -> None:
    root = authority("ours", None, NOW)
    key = serialization.load_pem_private_key(root.key.encode(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    damaged = {
        "certificate": Pair("", root.key),
        "key": Pair(root.certificate, ""),
        "another's key": Pair(root.certificate, authority("ours", None, NOW).key),
        "an encrypted key": Pair(root.certificate, encrypted.decode()),
    }[part]
    said = "they do not belong together" if part == "another's key" else "they cannot be read"
    with pytest.raises(ValueError, match=said):
        authority("ours", damaged, NOW)
    with pytest.raises(ValueError, match=said):
        certificate(NAMES, damaged, None, NOW)
