"""Hypothesis strategies from Google's descriptions: what fits, what is also meant, single mistakes."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from hypothesis import strategies as st

from understudy_simulator.validation.described import Descriptions, Field

Kind = Literal["unknown field", "wrong type", "bad enum"]

names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts
free = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
encoded = st.binary(max_size=12).flatmap(
    lambda raw: st.sampled_from(
        [b64encode(raw).decode(), urlsafe_b64encode(raw).decode(), b64encode(raw).decode().rstrip("=")]
    )
)
durations = st.builds(
    lambda whole, part: f"{whole}{part}s", st.integers(0, 10**6), st.sampled_from(["", ".5", ".000000001"])
)
timestamps = st.builds(
    lambda day, hour, part, zone: f"2026-02-{day:02}T{hour:02}:30:00{part}{zone}",
    st.integers(1, 28),
    st.integers(0, 23),
    st.sampled_from(["", ".25", ".123456789"]),
    st.sampled_from(["Z", "+02:00", "-11:30"]),
)


def whole(least: int, most: int) -> st.SearchStrategy[Any]:
    number = st.integers(least, most)
    return number | number.map(str) | st.integers(max(least, -1000), 1000).map(float)


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "bool": st.booleans(),
    "int32": whole(-(2**31), 2**31 - 1),
    "int64": whole(-(2**63), 2**63 - 1),
    "uint32": whole(0, 2**32 - 1),
    "uint64": whole(0, 2**64 - 1),
    "float": st.floats(-1e30, 1e30) | st.integers(-1000, 1000) | st.sampled_from(["0.5", "-1e3", "NaN", "Infinity"]),
    "double": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["0.5", "-Infinity"]),
    "bytes": encoded,
    "Struct": st.dictionaries(texts, free, max_size=3),
    "Value": free,
    "ListValue": st.lists(free, max_size=3),
    "Any": st.dictionaries(texts, free, max_size=2).map(lambda value: value | {"@type": "type.googleapis.com/x.Y"}),
    "Empty": st.just({}),
    "Duration": durations,
    "Timestamp": timestamps,
    "FieldMask": st.lists(names, max_size=3).map(",".join),
}


@dataclass(frozen=True)
class Meant:
    """What narrows random requests down to those that a model can answer: strategies for messages or `Message.field`.

    None for a field leaves it out.
    """

    fields: dict[str, st.SearchStrategy[Any] | None]


NOTHING = Meant({})


def valid_value(
    descriptions: Descriptions, message: str, depth: int = 3, meant: Meant = NOTHING
) -> st.SearchStrategy[dict[str, Any]]:
    """Requests that fit the description of `message`, in both spellings; messages are nested to `depth`."""
    return _message(descriptions, message, depth, meant)


def _message(descriptions: Descriptions, name: str, depth: int, meant: Meant) -> st.SearchStrategy[Any]:
    own = meant.fields.get(name)
    if own is not None:
        return own

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        fields = [
            field for field in descriptions.messages[name].values() if _is_open(descriptions, field, name, depth, meant)
        ]
        chosen = list(draw(st.lists(st.sampled_from(fields), unique=True, max_size=5))) if fields else []
        chosen += [field for field in fields if f"{name}.{field.name}" in meant.fields and field not in chosen]
        value: dict[str, Any] = {}
        groups: set[str] = set()
        for field in chosen:
            if field.group and field.group in groups:
                continue
            groups.add(field.group)
            key = field.name if draw(st.booleans()) else field.snake
            wanted = meant.fields.get(f"{name}.{field.name}")
            value[key] = draw(_field(descriptions, field, depth, meant) if wanted is None else wanted)
        return value

    return build()


def _is_open(descriptions: Descriptions, field: Field, name: str, depth: int, meant: Meant) -> bool:
    key = f"{name}.{field.name}"
    if key in meant.fields:
        return meant.fields[key] is not None
    return depth > 0 or field.type not in descriptions.messages


def _field(descriptions: Descriptions, field: Field, depth: int, meant: Meant) -> st.SearchStrategy[Any]:
    one = _one(descriptions, field.type, depth, meant)
    if field.shape == "many":
        # Google's parser takes a single value for a list of one.
        listed = st.lists(one, max_size=2)
        return listed if field.type in ("Value", "ListValue") else listed | one
    if field.shape == "map":
        return st.dictionaries(names, one, max_size=2)
    return one


def _one(descriptions: Descriptions, kind: str, depth: int, meant: Meant) -> st.SearchStrategy[Any]:
    if kind in descriptions.messages:
        return st.deferred(lambda: _message(descriptions, kind, depth - 1, meant))
    if kind in descriptions.enums:
        known = st.sampled_from(sorted(descriptions.enums[kind]))
        return known | known.map(str.lower) | st.integers(0, 5)
    return SCALARS[kind]


@cache
def meant_for(is_vertex: bool) -> Meant:
    """What a text model without tools of its own understands, on either service."""
    text = st.text("abc XYZ\u00e9\n", min_size=1, max_size=20)
    part = st.fixed_dictionaries({"text": text}) | st.fixed_dictionaries(
        {"inline_data": st.fixed_dictionaries({"mimeType": st.just("image/png"), "data": encoded})}
    )
    parts = st.lists(part, min_size=1, max_size=3)
    content = st.fixed_dictionaries({"role": st.sampled_from(["user", "model"]), "parts": parts})
    schema = st.sampled_from(
        [
            {"type": "STRING"},
            {"type": "object", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]},
            {"type": "ARRAY", "items": {"type": "STRING", "enum": ["x", "y"]}, "minItems": "1"},
        ]
    )
    function = st.fixed_dictionaries(
        {"name": st.sampled_from(["look_up", "f"])}, optional={"description": text, "parameters": schema}
    )
    instruction = st.fixed_dictionaries({"parts": parts})
    fields: dict[str, st.SearchStrategy[Any] | None] = {
        "GenerateContentRequest.contents": st.lists(content, min_size=1, max_size=3),
        "CountTokensRequest.contents": st.lists(content, min_size=1, max_size=3),
        "CountTokensRequest.generateContentRequest": None,
        "CountTokensRequest.instances": None,
        "CountTokensRequest.generationConfig": None,
        "GenerateContentRequest.model": None,
        "CountTokensRequest.model": None,
        "GenerateContentRequest.cachedContent": None,
        "GenerateContentRequest.continuationToken": None,
        "Content": content,
        "GenerateContentRequest.systemInstruction": instruction,
        "CountTokensRequest.systemInstruction": instruction,
        "Tool": st.lists(function, max_size=2, unique_by=lambda one: str(one["name"])).map(
            lambda functions: {"functionDeclarations": functions}
        ),
        "GenerateContentRequest.tools": st.lists(function, max_size=2, unique_by=lambda one: str(one["name"])).map(
            lambda functions: [{"function_declarations": functions}]
        ),
        "CountTokensRequest.tools": None,
        "GenerateContentRequest.toolConfig": None,
        "Schema": schema,
        "GenerationConfig.temperature": st.floats(0, 2) | st.just("0.5"),
        "GenerationConfig.topP": st.floats(0, 1),
        "GenerationConfig.topK": st.integers(1, 40),
        "GenerationConfig.candidateCount": st.integers(1, 8),
        "GenerationConfig.maxOutputTokens": st.integers(1, 8192),
        "GenerationConfig.stopSequences": st.lists(text, max_size=5),
        "GenerationConfig.presencePenalty": st.floats(-2, 1.9),
        "GenerationConfig.frequencyPenalty": st.floats(-2, 1.9),
        "GenerationConfig.logprobs": st.integers(0, 20),
        "GenerationConfig.responseMimeType": st.just("text/plain"),
        "GenerationConfig.responseModalities": st.just(["TEXT"]),
    }
    left_out = ("responseSchema", "responseJsonSchema", "responseJsonSchemaOrdered", "responseFormat", "thinkingConfig")
    fields |= {f"GenerationConfig.{name}": None for name in left_out}
    return Meant(fields)


def meant_request(descriptions: Descriptions, message: str, is_vertex: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of generateContent and countTokens that fit their description and that a text model answers."""
    return valid_value(descriptions, message, 4, meant_for(is_vertex))


# Single mistakes


@dataclass(frozen=True)
class Mutation:
    """A request with one mistake: the path that the refusal must name ('' at the root), and the kind."""

    value: Any
    path: str
    kind: Kind
    name: str = ""


@dataclass(frozen=True)
class _Spot:
    """A place in a request: how to get there, its path in Google's texts, its field (None for a whole message)."""

    keys: tuple[str | int, ...]
    path: str
    type: str


def mutations(descriptions: Descriptions, message: str, value: dict[str, Any]) -> st.SearchStrategy[Mutation]:
    """Requests that differ from `value` in one mistake: an unknown field, a wrong type, a bad enum value."""
    spots = list(_spots(descriptions, message, value, (), ""))
    choices: list[Callable[[], Mutation]] = []
    for spot in spots:
        if spot.type in descriptions.messages:
            choices.append(lambda spot=spot: _stranger(value, spot))
            if spot.keys:
                choices.append(lambda spot=spot: _replaced(value, spot, "nothing", "wrong type"))
        elif spot.type in descriptions.enums:
            choices.append(lambda spot=spot: _replaced(value, spot, "NO_SUCH_VALUE", "bad enum"))
            choices.append(lambda spot=spot: _replaced(value, spot, True, "wrong type"))
        elif spot.type in _WRONG:
            choices.append(lambda spot=spot: _replaced(value, spot, _WRONG[spot.type], "wrong type"))
    return st.integers(0, len(choices) - 1).map(lambda index: choices[index]())


_WRONG: dict[str, Any] = {
    "string": 7,
    "bool": "maybe",
    **dict.fromkeys(("int32", "int64", "uint32", "uint64"), "many"),
    **dict.fromkeys(("float", "double"), "hot"),
    "bytes": "&&&",
    "Struct": "text",
    "Duration": "soon",
    "Timestamp": "yesterday",
    "FieldMask": 3,
}
"""A value that is taken for no value of the type."""


def _stranger(value: Any, spot: _Spot) -> Mutation:
    changed = deepcopy(value)
    _at(changed, spot.keys)["noSuchField"] = 1
    return Mutation(changed, spot.path, "unknown field", "noSuchField")


def _replaced(value: Any, spot: _Spot, wrong: Any, kind: Kind) -> Mutation:
    changed = deepcopy(value)
    _at(changed, spot.keys[:-1])[spot.keys[-1]] = wrong
    return Mutation(changed, spot.path, kind)


def _at(value: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        value = value[key]
    return value


def _spots(
    descriptions: Descriptions, message: str, value: Any, keys: tuple[str | int, ...], path: str
) -> Iterator[_Spot]:
    yield _Spot(keys, path, message)
    spelled = {field.snake: field for field in descriptions.messages[message].values()}
    spelled |= descriptions.messages[message]
    for key, item in value.items():
        field = spelled[key]
        where = f"{path}.{field.snake}" if path else field.snake
        if item is None or field.type == "Value":
            continue
        if field.shape == "map":
            for index, (name, entry) in enumerate(item.items()):
                yield from _spot(descriptions, field, entry, (*keys, key, name), f"{where}[{index}].value")
        elif isinstance(item, list) and field.shape == "many":
            for index, entry in enumerate(item):
                yield from _spot(descriptions, field, entry, (*keys, key, index), f"{where}[{index}]")
        else:
            yield from _spot(descriptions, field, item, (*keys, key), where)


def _spot(
    descriptions: Descriptions, field: Field, item: Any, keys: tuple[str | int, ...], path: str
) -> Iterator[_Spot]:
    if item is None:
        return
    if field.type in descriptions.messages:
        yield from _spots(descriptions, field.type, item, keys, path)
    else:
        yield _Spot(keys, path, field.type)
