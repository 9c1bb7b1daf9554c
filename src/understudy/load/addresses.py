"""An address from a URL, with the TLS that it needs."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ConfigError
from .http_client import Address


def address_of(url: str, ca: str | None) -> tuple[Address, str]:
    """The address that a URL names, and the path in it, without a slash at its end.

    `ca` is a PEM file that https is trusted by (None: the system's). Raises ConfigError.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url}: no URL of a gateway; it must begin with http:// or https://")
    if parts.username is not None:
        raise ConfigError("a URL with a user in it is not taken; the key is given by --key or UNDERSTUDY_KEY")
    context = _tls(ca) if parts.scheme == "https" else None
    return Address(parts.hostname, port, parts.netloc, context), parts.path.rstrip("/")


def _tls(ca: str | None) -> ssl.SSLContext:
    if ca is not None and not Path(ca).is_file():
        raise ConfigError(f"--ca {ca}: no such file")
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--ca {ca}: {error}") from None
