"""Whom the gateway trusts by where they are: this machine alone, and providers by their certificates."""

import ssl
from ipaddress import ip_address

import certifi

from understudy.errors import ConfigError


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def upstream_context(ca: str | None) -> ssl.SSLContext:
    """What verifies providers: the roots of this machine and certifi's, or the configured bundle alone.

    Raises ConfigError for a bad one.
    """
    try:
        if ca is not None:
            return ssl.create_default_context(cafile=ca)
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"upstream_ca: {ca} holds no certificates in PEM form") from error
    return context
