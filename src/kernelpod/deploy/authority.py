"""Makes private authorities and the certificates that they sign, and renews those that end soon."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
# As long as JupyterHub's own certificates, and twice that.
CERTIFICATE_DAYS, AUTHORITY_DAYS = 1825, 3650
RENEW_DAYS = 30
# Clocks of other machines may be behind.
EARLIER = timedelta(hours=1)


class Pair(NamedTuple):
    """A certificate and its private key (PEM)."""

    certificate: str
    key: str


def authority(name: str, former: Pair | None, now: datetime) -> Pair:
    """Return the former authority, the same with a new end if it ends soon, or a new one if there is none.

    Who trusts an authority also trusts what it signs after its renewal, because its name and key stay. Raises
    ValueError if the former one cannot be used.
    """
    if former is None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    else:
        found, key = _loaded(former)
        if not ends_soon(found.not_valid_after_utc, now):
            return former
        subject = found.subject
    builder = _builder(subject, subject, key, key, now, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _signed(builder.add_extension(_usage(signs=True), critical=True), key, key)


def certificate(names: Collection[str], issuer: Pair, former: Pair | None, now: datetime) -> Pair:
    """Return a certificate of a server and client with these host names, which the authority `issuer` signs.

    It is the former one if that is for the same names, signed by this authority, and does not end soon. Raises
    ValueError if the authority cannot be used.
    """
    authority_certificate, authority_key = _loaded(issuer)
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    if former and _is_current(former, alternatives, authority_certificate, now):
        return former
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kernelpod gateway")])
    builder = _builder(subject, authority_certificate.subject, key, authority_key, now, CERTIFICATE_DAYS)
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (both, False),
        (alternatives, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return _signed(builder, key, authority_key)


def end(certificate: str) -> datetime:
    """Return when a certificate ends. Raises ValueError if it cannot be read."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc


def ends_soon(last: datetime, now: datetime) -> bool:
    """Return whether a certificate that ends then should be renewed now."""
    return last - now < timedelta(days=RENEW_DAYS)


def _loaded(pair: Pair) -> tuple[x509.Certificate, Key]:
    try:
        found = x509.load_pem_x509_certificate(pair.certificate.encode())
        key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("they cannot be read") from None
    if not isinstance(key, Key) or key.public_key() != found.public_key():
        raise ValueError("they do not belong together")
    return found, key


def _is_current(
    former: Pair, alternatives: x509.SubjectAlternativeName, issuer: x509.Certificate, now: datetime
) -> bool:
    try:
        found, _ = _loaded(former)
        found.verify_directly_issued_by(issuer)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return names == alternatives and not ends_soon(found.not_valid_after_utc, now)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, signer: Key, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: Key, signer: Key) -> Pair:
    made = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(made.decode(), private.decode())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
