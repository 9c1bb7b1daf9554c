"""Finds modules, functions and tests by reading them with `ast`; nothing of ours is imported for it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from .model import GROUND, PACKAGE, Mutant

ROOT: Final = Path(__file__).parents[2]
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@cache
def text_of(file: str) -> str:
    """The text of a file, named from the root; empty if there is none."""
    path = ROOT / file
    return path.read_text("utf-8") if path.is_file() else ""


@cache
def spans(file: str) -> tuple[tuple[str, int, int], ...]:
    """What a module defines: qualified name, first and last line; constants and attributes of classes too."""
    return tuple(_spans(ast.parse(text_of(file)).body, ""))


def _spans(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int, int]]:
    for node in body:
        last = node.end_lineno or node.lineno
        if isinstance(node, _DEFINITIONS):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield prefix + node.name, first, last
            if isinstance(node, ast.ClassDef):
                yield from _spans(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield prefix + target.id, node.lineno, last


def module_of(file: str) -> str:
    """The module's name as rows write it: `routing`, `limits.budget`, `understudy.secret`."""
    if file.startswith(PACKAGE):
        bare = file.removeprefix(f"{PACKAGE}/")
    else:
        bare = "understudy/" + file.removeprefix(f"{GROUND}/")
    return bare.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def modules() -> dict[str, str]:
    """The files of the gateway and of the ground floor by module."""
    found = [path.relative_to(ROOT).as_posix() for root in (PACKAGE, GROUND) for path in (ROOT / root).rglob("*.py")]
    return {module_of(file): file for file in found}


def file_of(place: str) -> str | None:
    """The file in which `module.function` or `module.Class.method` is defined, or None."""
    parts = place.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        file = modules().get(".".join(parts[:cut]))
        name = ".".join(parts[cut:])
        if file is not None and any(name == known for known, _, _ in spans(file)):
            return file
    return None


def place_of(mutant: Mutant) -> str:
    """The innermost definition that a mutant changes; the module's name where it changes none."""
    text = text_of(mutant.file)
    line = text[: text.index(mutant.old)].count("\n") + 1 + _first_change(mutant)
    inside = [name for name, first, last in spans(mutant.file) if first <= line <= last]
    module = module_of(mutant.file)
    return f"{module}.{inside[-1]}" if inside else module


def _first_change(mutant: Mutant) -> int:
    """How many lines of the old text stand before the first one that becomes another."""
    old, new = mutant.old.split("\n"), mutant.new.split("\n")
    return next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)


def problem_of(mutant: Mutant) -> str | None:
    """Why a mutant cannot be made of the code as it is, or None."""
    for old, new in mutant.edits:
        count = text_of(mutant.file).count(old)
        if count != 1:
            elsewhere = [file for file in modules().values() if old in text_of(file) and file != mutant.file]
            hint = f"; it stands in {', '.join(elsewhere)}" if elsewhere else ""
            return f"the old text {old[:60]!r} stands {count} times in {mutant.file}{hint}"
        if old == new:
            return "nothing is changed"
    try:
        compile(mutated(mutant), mutant.file, "exec")
    except SyntaxError as error:
        return f"the mutated file is no Python: {error}"
    return None


def mutated(mutant: Mutant) -> str:
    """The file's text with the fault in it."""
    text = text_of(mutant.file)
    for old, new in mutant.edits:
        text = text.replace(old, new)
    return text


@cache
def test_files() -> dict[str, str]:
    """Every file of tests, from the root, by its name without folder and suffix; the gateway's where there are two."""
    found = sorted((ROOT / "tests").rglob("test_*.py"), key=lambda path: path.parent.name == "gateway")
    return {path.stem: path.relative_to(ROOT).as_posix() for path in found}


def node_of(test: str) -> str | None:
    """What pytest calls a test that a row or a mutant names, or None if there is no such test."""
    stem, _, function = test.partition("::")
    file = test_files().get(stem)
    if file is None or not any(function == name for name, _, _ in spans(file)):
        return None
    return f"{file}::{function}"
