"""An authority of the tests' own, which certifies this machine and the names of AWS."""

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BUNDLE = "authority.pem"  # what AWS_CA_BUNDLE names
SERVER = "server.pem"
NAMES = (
    "localhost",
    "*.amazonaws.com",
    "*.eu-central-1.amazonaws.com",
    "*.eu-west-1.amazonaws.com",
    "*.s3.amazonaws.com",
    "*.s3.eu-central-1.amazonaws.com",
    "*.s3.eu-west-1.amazonaws.com",
)
LASTING = dt.timedelta(days=1)


def make_authority(folder: Path) -> Path:
    """Make an authority and the certificate of a server; return the authority's bundle."""
    ours, theirs = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = (
        _certificate("The tests' authority", "The tests' authority", ours, ours)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ours, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    server = (
        _certificate("localhost", "The tests' authority", theirs, ours)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .sign(ours, hashes.SHA256())
    )
    key = theirs.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / SERVER).write_bytes(key + server.public_bytes(serialization.Encoding.PEM))
    bundle = folder / BUNDLE
    bundle.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return bundle


def server_context(bundle: Path) -> ssl.SSLContext:
    """Return the TLS of a server whose certificate is of the authority of that bundle."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(bundle.with_name(SERVER))
    return context


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    ours, theirs = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)
    )
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(ours)
        .issuer_name(theirs)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LASTING)
        .not_valid_after(now + LASTING)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(of_issuer, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
