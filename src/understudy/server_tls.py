"""TLS contexts of servers, from a certificate and its key. They offer HTTP/1.1: the servers speak nothing else."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import ConfigError


def context_from_pem(pem: bytes) -> ssl.SSLContext:
    """A TLS context with a key, its certificate and the chain, all in one PEM text."""
    context = _context()
    with TemporaryDirectory() as folder:  # 0700; OpenSSL reads keys from files alone
        file = Path(folder) / "key.pem"
        file.write_bytes(pem)
        context.load_cert_chain(file)
    return context


def context_from_files(certificate: Path, key: Path) -> ssl.SSLContext:
    """A TLS context for a server from the user's own PEM files. Raises ConfigError if they are not such a pair."""
    context = _context()
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if not path.is_file():
            raise ConfigError(f"{option}: {path}: no such file")
    try:
        # A key that wants a pass phrase would ask for it on the terminal; a server must not wait there.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(
            f"--tls-cert {certificate}, --tls-key {key}: not a certificate and its key: {error}"
        ) from error
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    return context
