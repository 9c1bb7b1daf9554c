"""What is said of files with secrets that others on the machine may read (S-16)."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..log_secrets import secrets_of
from ..settings import GatewayConfig, KeyFile


def exposed(path: Path, text: str, config: GatewayConfig) -> Iterator[str]:
    """A line for the configuration at `path`, if it holds secrets itself, and each key file, that others may read."""
    if _others_read(path) and any(secret in text for secret in secrets_of(config) if secret):
        yield f"{path}: holds secrets, and others on this machine may read it: chmod o-r"
    for file in dict.fromkeys(one.source.path for one in config.accounts if isinstance(one.source, KeyFile)):
        if _others_read(Path(file)):
            yield f"{file}: a key file that others on this machine may read: chmod o-r"


def _others_read(path: Path) -> bool:
    try:
        return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:  # that it cannot be read is said elsewhere
        return False
