"""The certificates that servers of the command show."""

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from ..home import prepared_home

BUNDLE_FILE: Final = "bundle.pem"


def gateway_tls(names: Sequence[str], certificate: Path | None, key: Path | None) -> tuple[ssl.SSLContext, Path | None]:
    """The gateway's TLS context, and the bundle with which clients trust it (None: the certificate is the user's)."""
    from ..authority import context_from_files

    if certificate is not None and key is not None:
        return context_from_files(certificate, key), None
    if certificate is not None or key is not None:
        raise ConfigError("--tls-cert and --tls-key belong together")
    return own_tls(prepared_home(os.environ), names)


def own_tls(home: Path, names: Sequence[str]) -> tuple[ssl.SSLContext, Path]:
    """A TLS context with a certificate of the local CA, and the bundle with which clients trust it."""
    from ..authority import Authority

    authority = Authority.of_home(home)
    return authority.server_context(names), authority.write_bundle(os.environ, home / BUNDLE_FILE)


def certificate_names(host: str, more: Sequence[str] | None) -> list[str]:
    """What the certificate must be good for besides loopback; an address for all interfaces is no name."""
    no_names = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here
    return [name for name in (host, *(more or [])) if name not in no_names and not name.startswith("unix:")]
