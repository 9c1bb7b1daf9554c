"""Setup messages of Live sessions: read in one way, the model judged, only its string changed (S-61, WS-6, AUTH-10)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_gateway.model_names import rule_of
from understudy_gateway.settings import Account, ModelAccount
from understudy_gateway.setup_message import REFUSED, UNREADABLE, Denied, SetupRules, judged_setup

FAST = ModelAccount("live-2.5", Account("a", "gemini"), alias="fast")
PLACE = ("proj", "us-east1")


def limited(*words: str, aliases=()) -> SetupRules:
    return SetupRules("gemini", rule_of(words), aliases)


def verdict(message: str | bytes, rules: SetupRules) -> str | None:
    """The reason of a refusal; None where the message passes as it is."""
    sent = message.encode() if isinstance(message, str) else message
    found = judged_setup(rules, sent)
    if isinstance(found, Denied):
        return found.reason
    assert found is sent
    return None


@pytest.mark.parametrize(
    "message",
    [
        '{"setup":{"model":"models/m"}}',
        ' {\n"x" : [1, {"setup": 2}], "setup" : {"a":{"model":"n"}, "model" : "m", "b":1e999} }\t',
        '{"setup":{"model":"models\\/m"}}',
        '{"\\u0073etup":{"mode\\u006c":"\\u006d"}}',
        '{"setup":{"model":"publishers/google/models/m"}}',
        '{"setup":{"model":"projects/p/locations/l/publishers/google/models/m"}}',
        '{"setup":{"model":"m","n":' + "9" * 5000 + "}}",
        '{"setup":{"text":"\\"model\\":\\"n\\"","model":"m"}}',
    ],
)
def test_a_model_on_the_list_passes_untouched(message):
    assert verdict(message, limited("m")) is None


@pytest.mark.parametrize(
    "message",
    [
        '{"setup":{"model":"models/n"}}',
        '{"setup":{"model":"N"}}',
        '{"setup":{"model":"projects/p/locations/l/publishers/google/models/mm"}}',
    ],
)
def test_another_model_is_refused(message):
    assert verdict(message, limited("m", "M")) == REFUSED


@pytest.mark.parametrize(
    "message",
    [
        '{"setup":{"model":"m","model":"n"}}',
        '{"setup":{"model":"n","model":"m"}}',
        '{"setup":{"model":"m","\\u006dodel":"m"}}',
        '{"setup":{"model":"m"},"setup":{"model":"n"}}',
        '{"setup":{"model":"m"}}{"setup":{"model":"n"}}',
        '{"setup":{"model":"m"}} x',
        '{"setup":{}}',
        '{"setup":{"model":7}}',
        '{"setup":{"model":null}}',
        '{"setup":[{"model":"m"}]}',
        '{"setup":"m"}',
        '{"model":"m"}',
        '{"clientContent":{}}',
        '["setup"]',
        '"m"',
        "",
        "{",
        '{"setup":{"model":"m"}',
        '{"setup":{"model":"m",}}',
        "{'setup':{'model':'m'}}",
        '{setup:{model:"m"}}',
        '{"setup":{"model":"m"/**/}}',
        '{"setup":{"model":"m","a":NaN}}',
        '{"setup":{"model":"m","a":\t01}}',
        '\ufeff{"setup":{"model":"m"}}',
        b'{"setup":{"model":"m","a":"\xff"}}',
        '{"setup":{"model":"m"}}'.encode("utf-16"),
        b"\x1f\x8b\x08\x00",
        '{"setup":{"model":"m\\ud800"}}',
        '{"setup":{"model":"n/models/m"}}',
        '{"setup":{"model":"models/../models/m"}}',
        '{"setup":{"model":"models/m%2f"}}',
        '{"setup":{"model":" m"}}',
        '{"setup":{"a":' + "[" * 100_000 + ',"model":"m"}}',
    ],
    ids=range(34),
)
def test_what_does_not_name_one_model_in_one_way_is_refused(message):
    assert verdict(message, limited("m")) == UNREADABLE
    assert verdict(message, SetupRules("gemini", None, (FAST,))) is None  # an alias alone refuses nothing


def changed(message: str, rules: SetupRules) -> str:
    found = judged_setup(rules, message.encode())
    assert isinstance(found, bytes)
    return found.decode()


ODD = '{ "x":[1.0 ,1E5],"setup" :{"a":"\\u00e9 é \\/","model"\t:%s,"a\\"b":"fast"}, "y":"models/fast"}\n'


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ('"fast"', '"live-2.5"'),
        ('"models/fast"', '"models/live-2.5"'),
        ('"models\\/f\\u0061st"', '"models/live-2.5"'),
        ('"publishers/google/models/fast"', '"publishers/google/models/live-2.5"'),
        ('"projects/p/locations/l/publishers/google/models/fast"',) * 2,
        ('"faster"', '"faster"'),
        ('"models/live-2.5"', '"models/live-2.5"'),
    ],
)
def test_only_the_string_of_the_model_changes(name, sent):
    assert changed(ODD % name, SetupRules("gemini", None, (FAST,))) == ODD % sent


@pytest.mark.parametrize("completes", [False, True])
@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("fast", "google/models/live-2.5"),
        ("models/fast", "google/models/live-2.5"),
        ("publishers/acme/models/fast", "acme/models/live-2.5"),
        ("other", "google/models/other"),
    ],
)
def test_on_vertex_a_short_name_is_completed(completes, name, real):
    rules = SetupRules("vertex_ai", None, (FAST,), PLACE, completes)
    whole = f"projects/proj/locations/us-east1/publishers/{real}"
    is_changed = completes or "fast" in name
    assert changed(ODD % json.dumps(name), rules) == ODD % json.dumps(whole if is_changed else name)


def test_a_full_name_is_never_changed():
    # WS-6
    rules = SetupRules("vertex_ai", None, (FAST,), PLACE, completes=True)
    for name in ("fast", "other"):
        message = f'{{"setup":{{"model":"projects/p/locations/l/publishers/google/models/{name}"}}}}'
        assert verdict(message, rules) is None


@pytest.mark.parametrize("words", [["fast"], ["live-2.5"], ["live-*"]])
def test_an_alias_is_allowed_by_either_name(words):
    rules = limited(*words, aliases=(FAST,))
    assert changed('{"setup":{"model":"models/fast"}}', rules) == '{"setup":{"model":"models/live-2.5"}}'
    assert verdict('{"setup":{"model":"other"}}', rules) == REFUSED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["setup", "model", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, st.booleans())
def test_what_passes_names_an_allowed_model_for_every_other_parser(document, is_spaced):
    message = json.dumps(document, indent=1 if is_spaced else None)
    if verdict(message, limited("m")) is None:
        assert document["setup"]["model"].removeprefix("models/") == "m"


@given(st.binary(max_size=60) | st.text('{}":,setupmodel[]\\ ', max_size=60).map(str.encode))
def test_whatever_comes_is_judged_and_nothing_raised(message):
    assert judged_setup(limited("m"), message) is message or isinstance(judged_setup(limited("m"), message), Denied)
