"""Where the locustfile and the shipped limits are, in a wheel or in a checkout, and how limits are read."""

from pathlib import Path
from typing import Final

from ..documents import read_document
from ..errors import ConfigError, ScenarioError
from .limits import Limits, parse_limits

_PACKAGE: Final = Path(__file__).parents[1]


def loadtests_folder() -> Path:
    """The folder of the load tests: `_loadtests` in a wheel, else the checkout's `loadtests`."""
    shipped = _PACKAGE / "_loadtests"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "loadtests"


def load_limits(path: Path | None) -> Limits:
    """The limits of a file, or (None) the shipped ones. Raises ConfigError with all mistakes of the file."""
    path = path or loadtests_folder() / "limits.yaml"
    try:
        document, lines = read_document(path)
    except ScenarioError as error:
        raise ConfigError(str(error)) from None
    return parse_limits(document, path.name, lines)
