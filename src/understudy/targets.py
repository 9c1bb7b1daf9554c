"""Finds and reads target files: the shipped profiles of gateways, and those that people write for theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .conformance.target import Target
from .conformance.target_file import parse_target
from .documents import read_document
from .errors import ConfigError, DocumentError, ScenarioError, did_you_mean

_FOLDER: Final = Path(__file__).parent / "_targets"
_SUFFIXES: Final = (".yaml", ".yml")


def target_names() -> tuple[str, ...]:
    """The names of the shipped targets, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_target(name_or_path: str, environ: Mapping[str, str]) -> Target:
    """A gateway's profile: a shipped one by its name, or a file by its path (`.yaml`, `.yml`, or with a slash).

    Its key comes from `environ` or from a file beside it, if the profile says so. Raises ConfigError for a name that
    is none, DocumentError with all mistakes of a file.
    """
    is_file = name_or_path.endswith(_SUFFIXES) or "/" in name_or_path
    if not is_file and name_or_path not in (names := target_names()):
        hint = did_you_mean(name_or_path, names)
        raise ConfigError(
            f"target {name_or_path}: no shipped target is called so{hint}; there are {', '.join(names)}, "
            "and files by their path (gateway.yaml)"
        )
    path = Path(name_or_path) if is_file else _FOLDER / f"{name_or_path}.yaml"

    def read(name: str) -> str:
        return (path.parent / name).read_text("utf-8")

    def located(name: str) -> str:
        return str(path.parent / name)

    try:
        document, lines = read_document(path)
    except ScenarioError as error:
        raise DocumentError(error.problems) from None
    return parse_target(document, name_or_path, lines, environ, read, located)
