"""A document that a person wrote, as a Scenario; or all its mistakes at once, each with file, line and path."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..bounds import MAX_DEPTH, MAX_NODES
from ..errors import Problem, ScenarioError, did_you_mean
from .convert import scenario_of
from .document import ClientStepDoc, ScenarioDoc, ServerStepDoc
from .document_bodies import Files
from .fitting import fitting_mistakes
from .model import Scenario
from .places import Mistake, Path
from .scalars import name_path

Lines = Mapping[Path, int]
"""The line on which each part of a document begins, by its path."""


def parse_scenario(
    document: object,
    *,
    id: str | None = None,
    source: str = "scenario",
    lines: Lines | None = None,
    file_reader: Callable[[str], bytes] | None = None,
) -> Scenario:
    """The scenario that a decoded document describes.

    `id` is what the scenario is called by its place (a document that says otherwise is wrong); None takes the
    document's own. `lines` gives mistakes their lines; `file_reader` gives the bytes of a file below the scenario's
    folder, raising OSError or ValueError. Raises ScenarioError with every mistake, and nothing else.
    """
    known_lines = lines or {}
    mistakes = list(_bound_mistakes(document))
    if mistakes:
        raise _error(mistakes, source, known_lines)
    mapping = cast("Mapping[str, Any]", document)
    files = Files(file_reader)
    doc: ScenarioDoc | None = None
    try:
        doc = ScenarioDoc.model_validate(mapping, context=files)
    except ValidationError as error:
        mistakes.extend(_form_mistakes(error, mapping, ScenarioDoc))
    if "server" not in mapping and "faults" not in mapping:
        mistakes.append(((), "'server' is missing"))
    # Of each place the first mistake is told; a word that does not fit is told in the words of `fitting`.
    fitting: dict[Path, str] = {}
    for path, message in fitting_mistakes(mapping):
        fitting.setdefault(path, message)
    mistakes = [mistake for mistake in mistakes if mistake[0] not in fitting]
    mistakes.extend(fitting.items())
    if ("id",) not in [path for path, _ in mistakes]:
        mistakes.extend(_id_mistakes(mapping.get("id"), id))
    if mistakes or doc is None:
        raise _error(mistakes, source, known_lines)
    return scenario_of(doc, id or doc.id or "", source, files)


def form_problems(
    error: ValidationError, document: Mapping[str, Any], root: type[BaseModel], source: str, lines: Lines
) -> list[Problem]:
    """What pydantic found in a document of the form `root`, in the words that mistakes of scenarios have."""
    mistakes = dict.fromkeys(_form_mistakes(error, document, root))
    return [_problem(path, message, source, lines) for path, message in mistakes]


def problem_at(path: Path, message: str, source: str, lines: Lines) -> Problem:
    """A problem at `path`; its line is that of the nearest part that has one."""
    line = next((lines[path[:size]] for size in range(len(path), -1, -1) if path[:size] in lines), None)
    return Problem(source, line, path_text(path), message)


def path_text(path: Path) -> str:
    """`("server", 4, "send")` as `server[4].send`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _error(mistakes: list[Mistake], source: str, lines: Lines) -> ScenarioError:
    problems = [_problem(path, message, source, lines) for path, message in dict.fromkeys(mistakes)]
    return ScenarioError(sorted(problems, key=lambda problem: problem.line or 0))


def _problem(path: Path, message: str, source: str, lines: Lines) -> Problem:
    problem = problem_at(path, message, source, lines)
    if message.startswith("unknown key"):
        # The line is that of the key, the path that of the mapping it stands in.
        return Problem(source, problem.line, path_text(path[:-1]), message)
    return problem


def _id_mistakes(written: Any, given: str | None) -> Iterator[Mistake]:
    if given is None:
        if written is None:
            yield (), "a scenario that is no file of the library needs an id"
        return
    try:
        name_path(given)
    except ValueError as error:
        yield (), f"id: {error}"
    if isinstance(written, str) and written != given:
        yield ("id",), f"the id is '{given}', after the file's place; found '{written}'"


# ---- bounds


def _bound_mistakes(document: object) -> Iterator[Mistake]:
    """What makes a document unfit to be looked at closer. Ends at the first mistake that concerns its size."""
    if not isinstance(document, dict):
        yield (), "a scenario is a mapping"
        return
    nodes = 0
    pending: list[tuple[Path, Any]] = [((), cast("Any", document))]
    while pending:
        path, value = pending.pop()
        nodes += 1
        if len(path) > MAX_DEPTH:
            yield path[:6], f"nested deeper than {MAX_DEPTH} levels"
            return
        if nodes > MAX_NODES:
            yield (), f"more than {MAX_NODES} values, aliases counted each time"
            return
        if isinstance(value, dict):
            for key, inner in cast("dict[Any, Any]", value).items():
                if isinstance(key, str) and not any(_scalar_mistakes(key)):
                    pending.append(((*path, key), inner))
                else:
                    yield path, f"a key is a text; put {ascii(key)[:40]} in quotes"
        elif isinstance(value, list):
            pending.extend(((*path, index), inner) for index, inner in enumerate(cast("list[Any]", value)))
        else:
            yield from ((path, message) for message in _scalar_mistakes(value))


def _scalar_mistakes(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            yield "a lone surrogate is no character"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{value} is no number in JSON"
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            yield "a whole number beyond 64 bits; write it as a text"
    elif value is not None:
        yield f"a value of type {type(value).__name__} has no place here"


# ---- mistakes of form


def _form_mistakes(error: ValidationError, document: Mapping[str, Any], root: type[BaseModel]) -> Iterator[Mistake]:
    """What pydantic found. Where a value may be one thing or another, it says so of each: told as one mistake."""
    choices: dict[Path, str] = {}
    for details in error.errors(include_url=False):
        path, message = _mistake(details, document, root)
        if path == tuple(details["loc"]) or details["type"] in ("extra_forbidden", "missing"):
            yield path, message
        else:
            choices[path] = f"{choices[path]}, or {message}" if path in choices else message
    yield from choices.items()


def _mistake(details: ErrorDetails, document: Mapping[str, Any], root: type[BaseModel]) -> Mistake:
    path: Path = tuple(details["loc"])
    kind, message = details["type"], details["msg"]
    match kind:
        case "extra_forbidden":
            name = str(path[-1])
            return path, f"unknown key '{name}'{did_you_mean(name, _known_keys(path[:-1], root))}"
        case "missing":
            return path[:-1], f"'{path[-1]}' is missing"
        case "value_error":
            return _without_tags(path, document), message.removeprefix("Value error, ")
        case "too_short":
            return path, "must not be empty"
        case "model_type" | "dict_type" | "model_attributes_type":
            return path, f"a mapping is wanted here{_found(details)}"
        case "list_type":
            return path, f"a list is wanted here{_found(details)}"
        case "literal_error":
            wanted = str(details.get("ctx", {}).get("expected", ""))
            given = details["input"]
            words = wanted.replace(" or ", ", ").replace("'", "").split(", ")
            hint = did_you_mean(given, words) if isinstance(given, str) else ""
            return _without_tags(path, document), f"wanted {wanted}{_found(details)}{hint}"
        case _:
            return _without_tags(path, document), message[:1].lower() + message[1:] + _found(details)


def _found(details: ErrorDetails) -> str:
    value = details["input"]
    if isinstance(value, dict | list):
        return f"; found a {'mapping' if isinstance(value, dict) else 'list'}"
    text = repr(value)
    return f"; found {text if len(text) <= 60 else text[:57] + '...'}"


def _without_tags(path: Path, document: Mapping[str, Any]) -> Path:
    """The path without pydantic's names of the members of a union at its end, which the document does not have."""
    value: Any = document
    for index, part in enumerate(path):
        if isinstance(value, dict) and part in value:
            value = cast("dict[Any, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[part]
        else:
            return path[:index]
    return path


def _known_keys(path: Path, root: type[BaseModel]) -> list[str]:
    """The words that the mapping at `path` may have."""
    found: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, str) and found is not None:
            found = _model_in(_annotation(found, part))
    if found is None:
        return []
    words = [info.alias or name for name, info in found.model_fields.items()]
    # A step's siblings are no worse guesses than its step words.
    return words if found not in (ServerStepDoc, ClientStepDoc) else sorted(words)


def _annotation(model: type[BaseModel], word: str) -> Any:
    for name, info in model.model_fields.items():
        if word == (info.alias or name):
            return info.annotation
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside of an annotation such as `list[Annotated[M, ...]] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin = get_origin(annotation)
    if origin is dict:
        return None
    if origin in (list, Union, Annotated) or origin is not None:
        return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
    return None
