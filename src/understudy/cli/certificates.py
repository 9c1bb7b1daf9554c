"""The certificates that servers of the command show."""

import os
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ..errors import ConfigError
from ..home import prepared_home
from ..server_tls import context_from_files, context_from_pem

BUNDLE_FILE: Final = "bundle.pem"


class Issued(msgspec.Struct, frozen=True):
    """A key with its certificate and the chain, as PEM, and the path of the bundle with which clients trust it."""

    pem: str
    bundle: str

    def __repr__(self) -> str:
        return f"Issued({self.bundle!r})"  # S-8


def gateway_tls(names: Sequence[str], certificate: Path | None, key: Path | None) -> tuple[ssl.SSLContext, Path | None]:
    """The gateway's TLS context, and the bundle with which clients trust it (None: the certificate is the user's)."""
    if certificate is not None and key is not None:
        return context_from_files(certificate, key), None
    if certificate is not None or key is not None:
        raise ConfigError("--tls-cert and --tls-key belong together")
    issued = _issued_elsewhere(prepared_home(os.environ), names)
    return context_from_pem(issued.pem.encode()), Path(issued.bundle)


def own_tls(home: Path, names: Sequence[str]) -> tuple[ssl.SSLContext, Path]:
    """A TLS context with a certificate of the local CA, and the bundle with which clients trust it."""
    from ..authority import Authority

    authority = Authority.of_home(home)
    return authority.server_context(names), authority.write_bundle(os.environ, home / BUNDLE_FILE)


def issued_here(home: Path, names: Sequence[str]) -> Issued:
    """The same as files and text. Raises ConfigError."""
    from ..authority import Authority

    authority = Authority.of_home(home)
    return Issued(authority.issued(names).decode("ascii"), str(authority.write_bundle(os.environ, home / BUNDLE_FILE)))


def _issued_elsewhere(home: Path, names: Sequence[str]) -> Issued:
    """`issued_here` by a process of its own: what makes certificates takes 8 MiB, and is of no use after that."""
    words = (sys.executable, "-P", "-m", "understudy.cli.own_certificate", str(home), *names)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise ConfigError(done.stderr.decode("utf-8", "replace").strip() or "no certificate could be made")
    try:
        return msgspec.json.decode(done.stdout, type=Issued)
    except msgspec.MsgspecError:
        raise ConfigError("no certificate could be made: the process for it said something else") from None


def certificate_names(host: str, more: Sequence[str] | None) -> list[str]:
    """What the certificate must be good for besides loopback; an address for all interfaces is no name."""
    no_names = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here
    return [name for name in (host, *(more or [])) if name not in no_names and not name.startswith("unix:")]
