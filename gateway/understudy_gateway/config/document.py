"""A YAML text as plain values, with the line of each key and item. It is data only: no tags, bounded, no key twice.

A document is hostile until read (S-65): aliases are counted each time they are used, so that nine lines cannot become
a billion values.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import yaml

from understudy.errors import ConfigError, Problem

Path = tuple[str | int, ...]
"""The place of a value inside a document: keys and indexes from the top."""

Lines = Mapping[Path, int]
"""The 1-based line of each key and item."""

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 50

_MAP: Final = "tag:yaml.org,2002:map"
_SEQ: Final = "tag:yaml.org,2002:seq"
_MERGE: Final = "tag:yaml.org,2002:merge"


def dotted(path: Path) -> str:
    """The place as people write it: `model_list[0].litellm_params.model`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(text: str, source: str) -> tuple[object, dict[Path, int]]:
    """The value of a YAML text, and the lines of its parts. Raises ConfigError naming `source` and the line."""
    if len(text) > MAX_BYTES:
        raise _error(source, None, f"the file is larger than {MAX_BYTES} bytes")
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            reader = _Reader(loader, source)
            return (None if root is None else reader.value(root, ())), reader.lines
        finally:
            loader.dispose()
    except RecursionError as error:
        raise _error(source, None, "nested too deep") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise _error(source, line, f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise _error(source, None, "not YAML: a character that may not stand there") from error


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, loader: yaml.SafeLoader, source: str) -> None:
        self._loader = loader
        self._source = source
        self._count = 0
        self._open: set[int] = set()
        self.lines: dict[Path, int] = {}

    def value(self, node: yaml.Node, path: Path) -> object:
        """The plain value of a node; notes the lines below `path`."""
        self._count += 1
        if self._count > MAX_NODES or len(path) > MAX_DEPTH or id(node) in self._open:
            raise _error(self._source, _line(node), "too many values, or nested too deep (are there aliases?)")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
                return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
            if isinstance(node, yaml.ScalarNode):
                return self._scalar(node)
            raise _error(self._source, _line(node), f"the tag {node.tag} has no meaning here")
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: Path) -> object:
        self.lines[path] = _line(node)
        return self.value(node, path)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        try:
            return cast("object", self._loader.construct_object(node))  # pyright: ignore[reportUnknownMemberType]
        except ValueError as error:
            raise _error(
                self._source, _line(node), "a value that cannot be read (a date that does not exist?)"
            ) from error

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key_node, value_node in self._pairs(node):
            if key_node.tag == _MERGE:
                for parent in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                    value = self.value(parent, path)
                    if not isinstance(value, dict):
                        raise _error(self._source, _line(key_node), "<< wants a mapping")
                    merged = {**cast("dict[str, object]", value), **merged}
                continue
            key = self._key(key_node)
            if key in own:
                raise _error(self._source, _line(key_node), f"{dotted((*path, key))}: the key stands here twice")
            own[key] = None
            self.lines[(*path, key)] = _line(key_node)
            own[key] = self.value(value_node, (*path, key))
            self.lines[(*path, key)] = _line(key_node)
        return {**merged, **own}

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        yield from cast("list[tuple[yaml.Node, yaml.Node]]", node.value)

    def _key(self, node: yaml.Node) -> str:
        key: Any = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise _error(self._source, _line(node), "a key must be a text")
        return key


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _error(source: str, line: int | None, message: str) -> ConfigError:
    return ConfigError(str(Problem(source, line, "", message)))
