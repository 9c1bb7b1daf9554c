"""Values made up for schemas: the reference validator accepts every one, whatever the schema."""

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.answers.choosing import Chooser
from understudy_simulator.answers.patterns import text_matching
from understudy_simulator.answers.schema_values import value_for

NAMES = st.sampled_from(["city", "name", "total", "tags", "inner", "next"])


@st.composite
def strings(draw):
    least = draw(st.integers(0, 40))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return {"type": "string", "minLength": least, "maxLength": least + draw(st.integers(0, 30))}
    if kind == 1:
        return {
            "type": "string",
            "format": draw(st.sampled_from(["date-time", "date", "time", "email", "uuid", "ipv4"])),
        }
    if kind == 2:
        return {"type": "string", "pattern": draw(st.sampled_from(PATTERNS))}
    return {"type": "string", "enum": draw(st.lists(st.text(max_size=5), min_size=1, max_size=4))}


@st.composite
def numbers(draw):
    low = draw(st.integers(-1000, 1000))
    schema = {"type": draw(st.sampled_from(["integer", "number"]))}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = low + draw(st.integers(20, 50))
    if draw(st.booleans()):
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 5, 7, 0.5, 0.1, 2.5]))
        if schema["type"] == "integer":
            schema["multipleOf"] = int(schema["multipleOf"]) or 3
    return schema


def lists_of(inner):
    return st.builds(
        lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
        inner,
        st.integers(0, 3),
        st.integers(0, 3),
    )


@st.composite
def objects_of(draw, inner):
    members = draw(st.dictionaries(NAMES, inner, max_size=4))
    schema = {"type": "object", "properties": members}
    if members:
        schema["required"] = draw(st.lists(st.sampled_from(sorted(members)), unique=True))
    closed = draw(st.integers(0, 2))
    if closed:
        schema["additionalProperties"] = False if closed == 1 else draw(inner)
    return schema


def choices_of(inner):
    return st.builds(lambda word, options: {word: options}, st.just("anyOf"), st.lists(inner, min_size=1, max_size=3))


def optional_of(inner):
    return inner.map(lambda schema: {"anyOf": [schema, {"type": "null"}]})


PATTERNS = [
    "^[A-Z]{3}-[0-9]{4}$",
    "^a+b*c?$",
    r"^\d{2,4}(px|em)$",
    "^(foo|ba[rz])$",
    r"^\+?\w+@\w+\.com$",
    "x",
    "^.{5}$",
    "^[^a-zA-Z]{3}$",
]
SCHEMAS = st.recursive(
    strings() | numbers() | st.just({"type": "boolean"}) | st.builds(lambda c: {"const": c}, st.integers()),
    lambda inner: lists_of(inner) | objects_of(inner) | choices_of(inner) | optional_of(inner),
    max_leaves=8,
)


def accepted(value, schema):
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(
        value
    )
    json.dumps(value, allow_nan=False)


@given(SCHEMAS, st.integers(), st.booleans(), st.sampled_from(["", "in Paris 7 and -0.5 'x y' foo"]))
def test_what_is_made_up_satisfies_any_schema(schema, seed, only_required, prompt):
    value = value_for(schema, seed=seed, only_required=only_required, prompt=prompt)
    accepted(value, schema)
    assert value == value_for(schema, seed=seed, only_required=only_required, prompt=prompt)


@given(SCHEMAS, st.integers())
def test_schemas_behind_references_are_satisfied_as_well(inner, seed):
    schema = {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "array", "items": {"$ref": "#/$defs/c"}}, "c": inner}}
    accepted(value_for(schema, seed=seed), schema)


@given(SCHEMAS, SCHEMAS, st.integers())
def test_both_of_all_of_are_satisfied(one, other, seed):
    schema = {
        "allOf": [
            {"type": "object", "properties": {"one": one}, "required": ["one"]},
            {"type": "object", "properties": {"other": other}, "required": ["other"]},
        ]
    }
    accepted(value_for(schema, seed=seed), schema)


TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "right": {"oneOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "left", "right", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
HARD = [
    TREE,
    {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": []},
    {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 5}, "uniqueItems": True, "minItems": 5},
    {"type": "array", "items": {"type": "integer"}, "contains": {"const": 7}, "minItems": 2},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 2, "required": ["c"]},
    {"type": "object", "propertyNames": {"pattern": "^k[0-9]+$"}, "minProperties": 2},
    {"type": "string", "not": {"enum": ["amber anchor"]}},
    {"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}, "properties": {"a": {"type": "integer"}}},
    {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}, {"type": "number"}]},
    {"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 4]}]},
    {"enum": [1, "x", None], "type": ["string", "null"]},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.01},
    {"type": "number", "minimum": 0.2, "maximum": 0.4, "multipleOf": 0.1},
    {"type": "integer", "minimum": -5, "maximum": -5},
    {"type": ["array", "object"], "items": {"type": "string"}, "minItems": 1, "properties": {}},
    {"type": "object", "required": ["free"], "additionalProperties": {"type": "boolean"}},
    {"dependentRequired": {"a": ["b"]}, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
]


@pytest.mark.parametrize("schema", HARD, ids=range(len(HARD)))
def test_the_rarer_words_are_kept(schema):
    for seed in range(20):
        accepted(value_for(schema, seed=seed), schema)


def test_different_seeds_give_different_values():
    assert len({json.dumps(value_for(TREE, seed=seed)) for seed in range(10)}) > 1


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 3},
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "((((a{1000}){1000}){1000}){1000})"},
        {"type": "integer", "minimum": 5, "maximum": 1},
        False,
    ],
)
def test_what_cannot_be_satisfied_ends_all_the_same(schema):
    assert len(json.dumps(value_for(schema))) < 500_000


def test_google_s_own_schemas_are_read_in_both_spellings():
    schema = {
        "type": "OBJECT",
        "properties": {
            "level": {"type": "STRING", "format": "enum", "enum": ["LOW", "HIGH"]},
            "count": {"type": "INTEGER", "minimum": "3", "maximum": 3},
            "rating": {"type": "INTEGER", "enum": ["4"]},
            "notes": {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": "4", "max_items": 4},
            "kind": {"any_of": [{"type": "STRING", "nullable": True}]},
        },
        "property_ordering": ["notes", "level"],
        "required": ["level", "count"],
    }
    value = value_for(schema)
    assert list(value) == ["notes", "level", "count", "rating", "kind"]
    assert value["level"] in ("LOW", "HIGH")
    assert value["count"] == 3
    assert value["rating"] == 4
    assert len(value["notes"]) == 4
    assert isinstance(value["kind"], str)


def test_vertex_s_names_for_references_are_followed():
    schema = {"ref": "#/defs/a", "defs": {"a": {"type": "OBJECT", "properties": {"b": {"type": "BOOLEAN"}}}}}
    assert isinstance(value_for(schema)["b"], bool)


def test_members_of_known_names_get_believable_texts():
    value = value_for({"type": "object", "properties": {"city": {"type": "string"}, "user_email": {"type": "string"}}})
    assert value["city"].istitle()
    assert "@" in value["user_email"]


@given(st.sampled_from(PATTERNS), st.integers())
def test_texts_match_their_patterns(pattern, seed):
    text = text_matching(pattern, Chooser(seed))
    assert text is not None and re.search(pattern, text)


@given(st.sampled_from(["^[a-z]+$", "^a{2,}b$", "^(ab)*$"]), st.integers(2, 30), st.integers())
def test_texts_match_their_patterns_and_their_lengths(pattern, least, seed):
    text = text_matching(pattern, Chooser(seed), least, least + 2)
    assert text is not None and re.search(pattern, text) and least <= len(text) <= least + 2


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "a**", "(", "[", "a{,3}", "a^b", r"\p{L}"])
def test_patterns_that_are_not_understood_are_said_so(pattern):
    assert text_matching(pattern, Chooser()) is None


@given(st.text(alphabet="ab[](){}|*+?\\^$.-,0123", max_size=15))
def test_no_pattern_makes_it_stumble(pattern):
    text_matching(pattern, Chooser(1))
