"""Finds and reads the files that people write: scenarios and price books, in a wheel or in a checkout.

YAML is read as data only (S-65): no tags, no duplicate keys, bounded size, depth and alias expansion; `yes`, `on` and
the like are texts. Every value keeps the line on which it stands.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import yaml

from .errors import DocumentError, PriceError, Problem, ScenarioError, did_you_mean
from .pricing.book import Layer, PriceBook
from .pricing.checking import Finding, findings
from .pricing.price_text import lines_of, read_json
from .scenario.match import shadowed
from .scenario.model import Scenario
from .scenario.parse import MAX_DEPTH, MAX_NODES, parse_scenario
from .scenario.parse import Path as DocumentPath

MAX_DOCUMENT_BYTES: Final = 1024 * 1024
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
_SUFFIXES: Final = (".yaml", ".yml")
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""What an id may be: a path below the folder, and none out of it."""
_NO_SCENARIOS: Final = frozenset({"prices"})
"""Files of the scenarios folder that are no scenarios."""


LATENCY: Final = "latency"
"""The folder of latency profiles below the scenarios."""


def scenarios_folder() -> Path:
    """The folder of the shipped scenarios: `_scenarios` beside this module in a wheel, else the checkout's."""
    beside = Path(__file__).parent / "_scenarios"
    return beside if beside.is_dir() else Path(__file__).parents[2] / "scenarios"


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
    source = _shown(path)
    document, lines = read_document(path)
    if scenario_id is None and ("id",) not in lines:
        scenario_id = id_after(path)
    return parse_scenario(document, id=scenario_id, source=source, lines=lines, file_reader=_reader(path.parent))


def id_after(path: Path) -> str:
    """The id of a scenario outside of the library that says none itself: the name of its file, as far as ids go."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip(".")[:80] or "scenario"


def _shown(path: Path) -> str:
    """The path as it is shown: of the library from its folder on, others as they were given."""
    root = scenarios_folder()
    if path.is_absolute() and path.is_relative_to(root):
        return (Path("scenarios") / path.relative_to(root)).as_posix()
    return str(path)


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


# ---- price books


_SHIPPED: Final = ("retired", "current", "corrections")
"""The layers of the shipped price book, later ones over earlier ones (pricing 2)."""


def price_book(name_or_path: str | Path = "shipped", over: Iterable[Layer] = ()) -> PriceBook:
    """`frozen`: the invented prices of the scenarios; `shipped`: Google's; a path: an own file over the shipped ones.

    An own file is JSON or YAML in LiteLLM's words. `over` are layers above all others, such as the prices of a
    gateway's `model_info`. Raises PriceError.
    """
    if name_or_path == "frozen":
        return PriceBook.from_layers([_layer(scenarios_folder() / "prices.yaml", "frozen"), *over])
    folder = Path(__file__).parent / "_prices"
    layers = [_layer(folder / f"{name}.json", name) for name in _SHIPPED]
    if name_or_path != "shipped":
        near = "" if Path(name_or_path).exists() else did_you_mean(str(name_or_path), ("frozen", "shipped"))
        if near:
            raise PriceError(f"{name_or_path}: no such price book, and no such file{near}")
        layers.append(_layer(Path(name_or_path), str(name_or_path), strict=True))
    return PriceBook.from_layers([*layers, *over])


def price_findings(path: Path) -> tuple[Finding, ...]:
    """What is to be said of an own price file: mistakes and notes, each with its line. Raises PriceError."""
    text = _price_text(path, str(path))
    try:
        value, lines = _prices_of(path, text, str(path))
    except DocumentError as error:
        return tuple(Finding(problem) for problem in error.problems)
    found = findings(str(path), value, lines_of(text) if lines is None else lines, price_book())
    if all(finding.is_note for finding in found):
        try:
            price_book(path)
        except PriceError as error:
            return (*found, Finding(Problem(str(path), None, "", str(error).removeprefix(f"{path}: "))))
    return found


def _layer(path: Path, name: str, *, strict: bool = False) -> Layer:
    try:
        entries, _ = _prices_of(path, _price_text(path, name), name)
    except DocumentError as error:
        raise PriceError(str(error)) from None
    if not isinstance(entries, dict):
        raise PriceError(f"{name}: wanted a mapping of models")
    return Layer(name, cast("dict[str, Any]", entries), strict)


def _price_text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PriceError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise PriceError(f"{name}: cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise PriceError(f"{name}: is not UTF-8") from None


def _prices_of(path: Path, text: str, name: str) -> tuple[Any, dict[DocumentPath, int] | None]:
    """The decoded file, and its lines where reading it gives them. Raises DocumentError."""
    return (read_json(text, name), None) if path.suffix == ".json" else document_of(text, name, Decimal)


# ---- YAML


_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = (
    ("null", r"null|~|", ("n", "~", "")),
    ("bool", r"true|false", ("t", "f")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", tuple("-+0123456789")),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", tuple("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", tuple("-+.")),
)
"""Kind, pattern and first letters of each plain word that is not simply a text."""


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, pattern, firsts in _PLAIN:
        compiled = re.compile(rf"(?:{pattern})\Z")
        for first in firsts:
            found.setdefault(first, []).append((_TAG + kind, compiled))
    return found


class _Loader(yaml.SafeLoader):
    """Knows null, true, false and decimal numbers; everything else that is plain is a text."""

    yaml_implicit_resolvers = _resolvers()


def read_document(path: Path) -> tuple[Any, dict[DocumentPath, int]]:
    """The data of a YAML file and the line of each of its parts. Raises ScenarioError."""
    source = _shown(path)
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise _error(source, f"larger than {MAX_DOCUMENT_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise _error(source, f"cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise _error(source, "is not UTF-8") from None
    return document_of(text, source)


def document_of(text: str, source: str, number: Callable[[str], object] = float) -> tuple[Any, dict[DocumentPath, int]]:
    """The data of a YAML text and the line of each of its parts; `number` reads fractions. Raises ScenarioError."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _error(source, f"no YAML: {_yaml_reason(error)}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise _error(source, f"no YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise _error(source, f"nested deeper than {MAX_DEPTH} levels") from None
    if node is None:
        raise _error(source, "is empty")
    builder = _Builder(source, number)
    document = builder.value(node, ())
    if builder.problems:
        raise ScenarioError(builder.problems)
    return document, builder.lines


def _yaml_reason(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML says in two halves, in one line: the second is often no sentence without the first."""
    if error.context == "expected a single document in the stream":
        return "one document a file, but '---' begins another here"
    return " ".join((error.problem or error.context or "cannot be read").split())


class _Builder:
    """Makes data of YAML nodes, counting what aliases expand to."""

    def __init__(self, source: str, number: Callable[[str], object]) -> None:
        self._source = source
        self._number = number
        self._nodes = 0
        self.lines: dict[DocumentPath, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: DocumentPath) -> Any:
        self._nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            raise _error(self._source, f"nested deeper than {MAX_DEPTH} levels", line)
        if self._nodes > MAX_NODES:
            raise _error(self._source, f"more than {MAX_NODES} values, aliases counted each time", line)
        if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in _KINDS[type(node)]:
            self._problem(line, f"tags are not allowed; found {node.tag}")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(inner, (*path, index)) for index, inner in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: DocumentPath) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, inner in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(line, "a key is a text")
                continue
            key = _joined(str(key_node.value))
            if key in members:
                self._problem(line, f"the key '{key}' stands here a second time")
            self.lines[*path, key] = line
            members[key] = self.value(inner, (*path, key))
        return members

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        text = str(node.value)
        try:
            match node.tag.removeprefix(_TAG):
                case "null":
                    return None
                case "bool":
                    return text == "true"
                case "int":
                    return int(text)
                case "float":
                    return self._number(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
                case _:
                    return _joined(text)
        except (ValueError, ArithmeticError):
            self._problem(line, "this is no number that can be used; put it in quotes if it is a text")
            return None

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self._source, line, "", message))


def _joined(text: str) -> str:
    """Pairs of surrogates as one character: JSON writes `\\ud83d\\ude00`, which YAML takes for two."""
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


_KINDS: Final[dict[type[yaml.Node], frozenset[str]]] = {
    yaml.MappingNode: frozenset({"map"}),
    yaml.SequenceNode: frozenset({"seq"}),
    yaml.ScalarNode: frozenset({"str", "null", "bool", "int", "float"}),
}
