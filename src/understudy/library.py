"""Finds and reads scenarios, in a wheel or in a checkout."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .documents import read_document, scenarios_folder, shown
from .errors import Problem, ScenarioError, did_you_mean
from .scenario.match import shadowed
from .scenario.model import Scenario
from .scenario.parse import parse_scenario

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_SUFFIXES: Final = (".yaml", ".yml")
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""What an id may be: a path below the folder, and none out of it."""
_NO_SCENARIOS: Final = frozenset({"prices"})
"""Files of the scenarios folder that are no scenarios."""


LATENCY: Final = "latency"
"""The folder of latency profiles below the scenarios."""


def scenario_ids() -> tuple[str, ...]:
    """The ids of all shipped scenarios, sorted."""
    return tuple(sorted(_ids_below(scenarios_folder())))


def named_ids(words: Sequence[str] = ()) -> tuple[str, ...]:
    """The ids of the shipped scenarios that `words` name, each once: an id or the start of one. No words: all.

    Raises ScenarioError for a word that names none.
    """
    ids = scenario_ids()
    found: dict[str, None] = {}
    for word in words or ("",):
        start = word.rstrip("/") + "/"
        named = [known for known in ids if not word or known == word or known.startswith(start)]
        if not named:
            raise ScenarioError([_nothing_named(word, ids)])
        found.update(dict.fromkeys(named))
    return tuple(found)


def find(scenario_id: str) -> Path:
    """The file of a shipped scenario. Raises ScenarioError with the nearest id."""
    # The whole folder is only looked through for the sake of the error.
    path = scenarios_folder() / f"{scenario_id}.yaml"
    if _ID.fullmatch(scenario_id) and scenario_id not in _NO_SCENARIOS and path.is_file():
        return path
    ids = scenario_ids()
    below = [known for known in ids if known.startswith(f"{scenario_id.rstrip('/')}/")]
    if below:
        raise _error(scenario_id, f"{len(below)} scenarios begin so; one is wanted, such as '{below[0]}'")
    raise _error(scenario_id, f"no scenario has this id{did_you_mean(scenario_id, ids)}")


def load(id_or_path: str | Path) -> Scenario:
    """One scenario, by its id or by the path of its file. Raises ScenarioError with all mistakes of the file."""
    if isinstance(id_or_path, str) and not id_or_path.endswith(_SUFFIXES):
        return _load_file(find(id_or_path), id_or_path)
    path = Path(id_or_path)
    root = scenarios_folder().resolve()
    if path.resolve().is_relative_to(root):
        return _load_file(path, path.resolve().relative_to(root).with_suffix("").as_posix())
    return _load_file(path, None)


def load_all(words: Sequence[str] = ()) -> tuple[Scenario, ...]:
    """All scenarios that `words` name, in that order, each once: an id, a file, a folder, or the start of ids (`live`).

    No words: all shipped scenarios. Raises ScenarioError with the mistakes of all files.
    """
    ids = scenario_ids()
    named: dict[str | Path, None] = {}
    problems: list[Problem] = []
    for word in words or ("",):
        found = _named(word, ids)
        if not found:
            problems.append(_nothing_named(word, ids))
        named.update(dict.fromkeys(found))
    scenarios: list[Scenario] = []
    for name in named:
        try:
            scenarios.append(load(name))
        except ScenarioError as error:
            problems.extend(error.problems)
    if problems:
        raise ScenarioError(problems)
    return tuple(scenarios)


@dataclass(frozen=True, slots=True)
class Lint:
    """What was found in scenario files: how many were read, their mistakes, and notes that are no mistakes."""

    checked: int
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def lint(words: Sequence[str] = ()) -> Lint:
    """Reads scenarios (see `load_all`) and says all that is wrong; never raises for what stands in a file.

    For files and folders that were named, a note tells of each scenario that can never answer while an earlier one of
    the list is armed too.
    """
    ids = scenario_ids()
    problems: list[Problem] = []
    scenarios: list[Scenario] = []
    checked = 0
    for word in words or ("",):
        found = _named(word, ids)
        if not found:
            problems.append(_nothing_named(word, ids))
        for name in found:
            checked += 1
            try:
                scenarios.append(load(name))
            except ScenarioError as error:
                problems.extend(error.problems)
    notes = [
        Problem(
            later.source, None, "match", f"never answers as long as '{earlier.id}', armed before it, has steps left"
        )
        for earlier, later in (shadowed(scenarios) if any(Path(word).exists() for word in words) else ())
    ]
    return Lint(checked, tuple(problems), tuple(notes))


def _named(word: str, ids: Sequence[str]) -> list[str | Path]:
    if word in ids:
        return [word]
    path = Path(word)
    if word and path.is_file():
        return [path]
    # The user's own folder goes before the start of shipped ids: who has a `live/` means that one.
    files: list[str | Path] = list(_files_below(path)) if word and path.is_dir() else []
    if files:
        return files
    start = word.rstrip("/")
    return [known for known in ids if not start or known.startswith(start)]


def _nothing_named(word: str, ids: Sequence[str]) -> Problem:
    """Why a word names no scenario: a folder that holds none, a file that is not there, or an id that nobody has."""
    if word and Path(word).is_dir():
        return Problem(word, None, "", f"no {' or '.join(_SUFFIXES)} file is in this folder")
    known = (*ids, *dict.fromkeys(known.split("/")[0] for known in ids))
    message = f"no scenario has this id or begins so, and no file is there{did_you_mean(word, known)}"
    return Problem(word, None, "", message)


def _files_below(folder: Path) -> Iterator[Path]:
    """The scenario files of a folder and of those below it, in the order of their paths."""
    found = [path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file()]
    profiles = scenarios_folder() / LATENCY
    found = [path for path in found if path.parent != profiles]
    for path in sorted(found, key=lambda path: path.relative_to(folder).with_suffix("").as_posix()):
        if path.relative_to(folder).with_suffix("").as_posix() not in _NO_SCENARIOS:
            yield path


def _ids_below(folder: Path) -> Iterator[str]:
    for path in _files_below(folder):
        if path.suffix == ".yaml":
            yield path.relative_to(folder).with_suffix("").as_posix()


def _load_file(path: Path, scenario_id: str | None) -> Scenario:
    source = shown(path)
    document, lines = read_document(path)
    if scenario_id is None and ("id",) not in lines:
        scenario_id = id_after(path)
    return parse_scenario(document, id=scenario_id, source=source, lines=lines, file_reader=_reader(path.parent))


def id_after(path: Path) -> str:
    """The id of a scenario outside of the library that says none itself: the name of its file, as far as ids go."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip(".")[:80] or "scenario"


def _reader(folder: Path) -> Callable[[str], bytes]:
    """Reads files below `folder` and nowhere else (S-66)."""

    def read(name: str) -> bytes:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"file '{name}' lies outside of the scenario's folder")
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"file '{name}' is larger than {MAX_FILE_BYTES} bytes")
        return data

    return read


def _error(source: str, message: str, line: int | None = None) -> ScenarioError:
    return ScenarioError([Problem(source, line, "", message)])
