"""Ways through a raw document: its steps at any depth, each with its place."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

Path = tuple[str | int, ...]
Mistake = tuple[Path, str]


def walk(value: Any, path: Path, check: Callable[[Mapping[str, Any], Path], Iterator[Mistake]]) -> Iterator[Mistake]:
    """`check` on every step, those inside of repeat and branch too."""
    for index, step in steps(value):
        here = (*path, index)
        yield from check(step, here)
        repeat, branch = mapping(step.get("repeat")), mapping(step.get("branch"))
        yield from walk(repeat.get("steps"), (*here, "repeat", "steps"), check)
        yield from walk(branch.get("otherwise"), (*here, "branch", "otherwise"), check)
        for number, case in steps(branch.get("cases")):
            yield from walk(case.get("steps"), (*here, "branch", "cases", number, "steps"), check)


def steps(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects in a list, each with its index; none of what is no list."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [(index, mapping(item)) for index, item in enumerate(items) if isinstance(item, Mapping)]


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
