"""Where a gateway that is started here keeps its spend records, and where `understudy spend` finds them."""

import os
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from ..home import home_of, prepared_home

STORE_FILE: Final = "spend.db"
_NONE: Final = "none"


def store_to_read(named: Path | None) -> Path:
    """The store that is named, else the state folder's."""
    return named or home_of(os.environ) / STORE_FILE


def store_to_write(named: str | None, *, development: bool, workers: int) -> Path | None:
    """The file that `--store` names, else the state folder's; None for `none`, and for one gateway in development mode.

    Raises ConfigError if there would be none for several workers, or if the state folder cannot be made.
    """
    if named == _NONE and workers > 1:
        raise ConfigError("--workers: several need a store, in which one knows of the videos that another started")
    if named == _NONE or (named is None and development and workers == 1):
        return None
    return Path(named) if named else prepared_home(os.environ) / STORE_FILE
