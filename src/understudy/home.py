"""The state folder: what outlives one run of the command lies here (the local CA, the bundle, the key file)."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp, mkstemp

from .errors import ConfigError


def home_of(environ: Mapping[str, str]) -> Path:
    """The state folder: `UNDERSTUDY_HOME`, else `$XDG_STATE_HOME/understudy`, else `~/.local/state/understudy`.

    A relative XDG path is ignored, as the XDG base directory specification asks. Raises ConfigError where there is
    no home folder at all.
    """
    if named := environ.get("UNDERSTUDY_HOME"):
        return Path(named).absolute()
    state = Path(environ.get("XDG_STATE_HOME") or "")
    if state.is_absolute():
        return state / "understudy"
    user = environ.get("HOME") or environ.get("USERPROFILE")
    if not user:
        raise ConfigError("no state folder: neither UNDERSTUDY_HOME nor HOME is set")
    return Path(user) / ".local" / "state" / "understudy"


def prepared_home(environ: Mapping[str, str]) -> Path:
    """The state folder, made (0700) if it was not there. Raises ConfigError if it cannot be made or written."""
    home = home_of(environ)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{home}: the state folder cannot be made: {error.strerror} (set UNDERSTUDY_HOME)") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(f"{home}: the state folder cannot be written (set UNDERSTUDY_HOME to another)")
    return home


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step, readable by the owner alone (S-14); readers see the old file or the new one.

    Raises ConfigError if the file cannot be written.
    """
    try:
        handle, temporary = mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def make_once(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make `folder` (0700) with what `fill` puts into it, in one step; nothing happens if it is there already.

    It is filled aside and renamed into place, and a rename never replaces a full folder: so of several processes that
    try at once one wins, and all then read the same files, without a lock. Raises ConfigError if it cannot be made.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = Path(mkdtemp(prefix=".new-", dir=folder.parent))
        try:
            fill(aside)
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror}") from error
