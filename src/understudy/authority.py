"""The local certificate authority: made once, kept in the state folder, and what clients need to trust it.

Layout below the state folder: `authority/N/ca.pem` and `authority/N/key.pem` (0600); the highest N counts. Two
processes that start at once use the same authority (`make_once`); one that nears its end gets a successor.
"""

import re
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import certifi
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .errors import ConfigError
from .home import make_once, write_private
from .server_tls import context_from_pem

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What every server certificate is good for."""

CERTIFICATE_LIFE: Final = timedelta(days=397)
"""The longest life that common TLS stacks accept for a server certificate."""

ROOT_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""Variables by which a user names roots of their own, and which our bundle therefore replaces."""

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s*(.+?)\s*-----END CERTIFICATE-----", re.DOTALL)


class Authority:
    """A certificate authority of this machine; `folder` holds its `ca.pem` and `key.pem`."""

    def __init__(self, ca: trustme.CA, folder: Path) -> None:
        self._ca = ca
        self._folder = folder

    @classmethod
    def of_home(cls, home: Path, now: datetime | None = None) -> "Authority":
        """The authority kept in the state folder `home`; made if there is none, or none that lives long enough.

        `now` is the present time in UTC. Raises ConfigError if the files are damaged or cannot be written.
        """
        now = now or datetime.now(UTC)
        generations = home / "authority"
        newest = max(_numbers(generations), default=0)
        if newest:
            kept = _read(generations / str(newest))
            if kept.expires > now + CERTIFICATE_LIFE:
                return kept
        successor = generations / str(newest + 1)
        make_once(successor, _fill)
        return _read(successor)

    @property
    def ca_file(self) -> Path:
        """The authority's own certificate, PEM."""
        return self._folder / "ca.pem"

    @property
    def expires(self) -> datetime:
        """The end of the authority's life, UTC."""
        return x509.load_pem_x509_certificate(self._ca.cert_pem.bytes()).not_valid_after_utc

    def issued(self, names: Iterable[str] = ()) -> bytes:
        """A fresh key with its certificate for localhost, 127.0.0.1, ::1 and `names`, and the chain, as PEM.

        Raises ConfigError for a name that no certificate can bear.
        """
        now = datetime.now(UTC)
        wanted = dict.fromkeys((*LOCAL_NAMES, *names))
        try:
            leaf = self._ca.issue_cert(*wanted, not_before=now - timedelta(days=1), not_after=now + CERTIFICATE_LIFE)
        except ValueError as error:
            raise ConfigError(f"no certificate for {', '.join(wanted)}: {error}") from error
        return leaf.private_key_and_cert_chain_pem.bytes()

    def server_context(self, names: Iterable[str] = ()) -> ssl.SSLContext:
        """A TLS context for a server, with a certificate that `issued` gives. Raises as that does."""
        return context_from_pem(self.issued(names))

    def write_bundle(self, environ: Mapping[str, str], path: Path) -> Path:
        """Write the file that clients are given as their roots, and return its path.

        It holds the roots that the user trusts now (those of ROOT_VARIABLES where set, else certifi's and the
        system's) and ours, so that a client which is pointed at it loses nothing. Raises ConfigError.
        """
        ours = {block for folder in self._folder.parent.iterdir() for block in _blocks(folder / "ca.pem")}
        theirs = [block for block in current_roots(environ) if block not in ours]
        own = _blocks(self.ca_file)
        data = b"".join(
            b"-----BEGIN CERTIFICATE-----\n" + block + b"\n-----END CERTIFICATE-----\n" for block in (*own, *theirs)
        )
        if not path.exists() or path.read_bytes() != data:
            write_private(path, data)
        return path


def current_roots(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """The roots that the user trusts now, each once, as base64 of a PEM block; a missing file counts as empty."""
    named = [Path(environ[name]) for name in ROOT_VARIABLES if environ.get(name)]
    roots = [block for path in named for block in _blocks_below(path)]
    if not roots:
        system = ssl.get_default_verify_paths().cafile
        standard = [Path(certifi.where()), *([Path(system)] if system else [])]
        roots = [block for path in standard for block in _blocks_below(path)]
    return tuple(dict.fromkeys(roots))


def _blocks_below(path: Path) -> list[bytes]:
    """The certificates of a file, or of all files of a folder (REQUESTS_CA_BUNDLE may name either)."""
    if path.is_dir():
        return [block for file in sorted(path.iterdir()) if file.is_file() for block in _blocks(file)]
    return _blocks(path)


def _blocks(path: Path) -> list[bytes]:
    try:
        return [block.replace(b"\r\n", b"\n") for block in _PEM.findall(path.read_bytes())]
    except OSError:
        return []


def _numbers(generations: Path) -> list[int]:
    if not generations.is_dir():
        return []
    return [int(entry.name) for entry in generations.iterdir() if entry.name.isdecimal() and entry.is_dir()]


def _read(folder: Path) -> Authority:
    try:
        certificate, key = (folder / "ca.pem").read_bytes(), (folder / "key.pem").read_bytes()
        ca = trustme.CA.from_pem(certificate, key)
        if load_pem_private_key(key, None).public_key() != x509.load_pem_x509_certificate(certificate).public_key():
            raise ValueError("the key is not the certificate's")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{folder}: the local CA is damaged ({error}); delete {folder.parent} to make a new one"
        ) from error
    return Authority(ca, folder)


def _fill(folder: Path) -> None:
    ca = trustme.CA(organization_name="Understudy, local to this machine")
    write_private(folder / "key.pem", ca.private_key_pem.bytes())
    write_private(folder / "ca.pem", ca.cert_pem.bytes())
