"""Reads the YAML files that people write, in a wheel or in a checkout.

YAML is read as data only (S-65): no tags, no duplicate keys, bounded size, depth and alias expansion; `yes`, `on` and
the like are texts. Every value keeps the line on which it stands. What is shipped is read by libyaml, which takes a
sixteenth of the time; what others wrote by PyYAML itself, which knows depth and has the words for mistakes.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from .bounds import MAX_DEPTH, MAX_NODES, DocumentPath
from .errors import Problem, ScenarioError

MAX_DOCUMENT_BYTES: Final = 1024 * 1024

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


def _quick_loader() -> type[yaml.SafeLoader | yaml.CSafeLoader]:
    if not yaml.__with_libyaml__:
        return _Loader

    class Quick(yaml.CSafeLoader):
        yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    return Quick


_QUICK_LOADER: Final = _quick_loader()


def scenarios_folder() -> Path:
    """The folder of the shipped scenarios: `_scenarios` beside this module in a wheel, else the checkout's."""
    beside = Path(__file__).parent / "_scenarios"
    return beside if beside.is_dir() else Path(__file__).parents[2] / "scenarios"


def shown(path: Path) -> str:
    """The path as it is shown: of the library from its folder on, others as they were given."""
    root = scenarios_folder()
    if path.is_absolute() and path.is_relative_to(root):
        return (Path("scenarios") / path.relative_to(root)).as_posix()
    return str(path)


def read_document(path: Path) -> tuple[Any, dict[DocumentPath, int]]:
    """The data of a YAML file and the line of each of its parts. Raises ScenarioError."""
    source = shown(path)
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise _error(source, f"larger than {MAX_DOCUMENT_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise _error(source, f"cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise _error(source, "is not UTF-8") from None
    return _document_of(_quickly(text, path), text, source, float)


def document_of(text: str, source: str, number: Callable[[str], object] = float) -> tuple[Any, dict[DocumentPath, int]]:
    """The data of a YAML text and the line of each of its parts; `number` reads fractions. Raises ScenarioError."""
    return _document_of(None, text, source, number)


def _quickly(text: str, path: Path) -> yaml.Node | None:
    """The nodes of a shipped file; None for others, and where libyaml finds a mistake, which PyYAML then tells."""
    if ".." in path.parts or not path.is_relative_to(scenarios_folder()):
        return None
    try:
        return yaml.compose(text, Loader=_QUICK_LOADER)
    except yaml.YAMLError:
        return None


def _document_of(
    node: yaml.Node | None, text: str, source: str, number: Callable[[str], object]
) -> tuple[Any, dict[DocumentPath, int]]:
    try:
        node = node or yaml.compose(text, Loader=_Loader)
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


def _error(source: str, message: str, line: int | None = None) -> ScenarioError:
    return ScenarioError([Problem(source, line, "", message)])
