"""The file of the spend store: an SQLite database in WAL mode, made whole or not at all, and looked at before use.

Nothing here ever begins anew where a store is damaged: that is said, and the gateway does not start (R-28).
"""

import os
import sqlite3
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from understudy.errors import ConfigError

APPLICATION: Final = 0x55445359
"""What tells our files from other SQLite databases (`PRAGMA application_id`)."""

VERSION: Final = 1

BUSY_S: Final = 5.0
"""How long another process's lock is waited for when the store is opened."""

_CHECK_S: Final = 10.0
_TABLES: Final = """
CREATE TABLE spend (
  seq INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, id TEXT NOT NULL, kind TEXT NOT NULL, key_id TEXT,
  tags TEXT NOT NULL, provider TEXT, route TEXT NOT NULL, model TEXT, status INTEGER NOT NULL, outcome TEXT NOT NULL,
  usage TEXT, cost TEXT, known TEXT NOT NULL, reason TEXT, lines TEXT NOT NULL, started TEXT NOT NULL,
  ended TEXT NOT NULL
) STRICT;
CREATE INDEX spend_by_time ON spend (started);
CREATE TABLE job (
  name TEXT PRIMARY KEY, call_id TEXT NOT NULL, job TEXT NOT NULL, started TEXT NOT NULL, settled INTEGER NOT NULL
) STRICT;
CREATE INDEX job_open ON job (started) WHERE settled = 0;
CREATE INDEX job_seen ON job (started) WHERE settled = 2;
"""
_NEW_INDEX: Final = "CREATE INDEX IF NOT EXISTS job_seen ON job (started) WHERE settled = 2"


def open_store(path: Path) -> sqlite3.Connection:
    """A connection that may write, in autocommit mode; the store is made (0600) if there is none.

    Raises ConfigError if it is damaged, locked, of another program or a later version, or cannot be made.
    """
    if not path.exists():
        _make(path)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        _look_at(connection, path)
        # Each commit reaches the disk itself, so that not even a power cut takes a record.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        connection.execute(_NEW_INDEX)  # stores made before there was one
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    except ConfigError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises ConfigError if there is no store, or it cannot be read."""
    if not path.exists():
        raise ConfigError(
            f"{path}: there is no spend store; `understudy gateway --config FILE` keeps one (not in development mode), "
            "`understudy gateway --store FILE` says where"
        )
    try:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only = ON")
            _know(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return connection


def _make(path: Path) -> None:
    """Make it aside and link it into place: of several processes that try at once one wins, and all use the same."""
    for rest in (f"{path}-wal", f"{path}-shm"):
        if Path(rest).exists():
            raise ConfigError(f"{path}: the spend store is gone, and {rest} is still there; put the store back")
    try:
        folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise ConfigError(f"{path}: the spend store cannot be made: {error.strerror}") from error
    aside = folder / "new"
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(aside, isolation_level=None)
        try:
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        os.link(aside, path)
    except FileExistsError:
        pass  # another process was faster
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{path}: the spend store cannot be made: {error}") from error
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _look_at(connection: sqlite3.Connection, path: Path) -> None:
    _know(connection, path)
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{path}: the spend store cannot be written")
    give_up = time.monotonic() + _CHECK_S
    # A store so big that the check takes longer is used without the rest of it.
    connection.set_progress_handler(lambda: time.monotonic() > give_up, 100_000)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found is None or found[0] != "ok":
        raise _damaged(path, "its check fails")


def _know(connection: sqlite3.Connection, path: Path) -> None:
    """Raises ConfigError if the file is not a store of ours that this version can use."""
    if path.stat().st_size == 0:
        raise _damaged(path, "it is empty")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise ConfigError(f"{path}: an SQLite database, but no spend store; name another file")
    if version != VERSION:
        raise ConfigError(f"{path}: a spend store of version {version}; this program knows version {VERSION}")
    connection.execute("SELECT seq FROM spend ORDER BY seq DESC LIMIT 1").fetchone()


def _unusable(path: Path, error: sqlite3.Error) -> ConfigError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return _damaged(path, str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ConfigError(f"{path}: the spend store is locked by another process")
    return ConfigError(f"{path}: the spend store cannot be used: {error}")


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"{path}: the spend store is damaged ({why}). The gateway does not begin a new one by itself: "
        "restore it from a copy, or move it away"
    )
