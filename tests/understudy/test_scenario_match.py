"""Which scenario answers, which came nearest and why; and what that costs."""

import json
from sys import getrefcount

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.scenario.criteria import CallRange, Match
from understudy.scenario.json_subset import (
    LazyJson,
    camel_case,
    decode_json,
    fits,
    json_mismatch,
    last_text,
    snake_case,
)
from understudy.scenario.match import Facts, Hit, Matcher, Miss, glob_test, nearest_misses, shadowed
from understudy.scenario.model import Reply, Scenario
from understudy.surfaces import Surface


def scenario(name: str, match: Match) -> Scenario:
    return Scenario(name, name, Surface.GEMINI, "m", match, (Reply(),))


def body(value: object) -> LazyJson:
    return LazyJson(json.dumps(value).encode())


def facts(**words: object) -> Facts:
    return Facts(**{"surface": Surface.GEMINI, "method": "generateContent", **words})  # pyright: ignore[reportArgumentType]


def found(match: Match, **words: object) -> str:
    """`hit`, or the miss as it is told."""
    result = Matcher([scenario("s", match)]).find(facts(**words))
    return "hit" if isinstance(result, Hit) else str(result[0])


def test_an_empty_match_takes_everything():
    assert found(Match(), model=None) == "hit"


def test_each_word_can_fail_and_says_what_it_wanted_and_found():
    assert (
        found(Match(surface=(Surface.VERTEX, Surface.VERTEX_VEO)))
        == "s: surface: wanted vertex or vertex-veo, found gemini"
    )
    assert found(Match(scope="a*"), scope="b") == "s: scope: wanted 'a*', found 'b'"
    assert found(Match(method="countTokens")) == "s: method: wanted 'countTokens', found 'generateContent'"
    assert (
        found(Match(model="gemini-2.?-*"), model="gemini-3-pro")
        == "s: model: wanted 'gemini-2.?-*', found 'gemini-3-pro'"
    )
    assert found(Match(model="x"), model=None) == "s: model: wanted 'x', found none"
    assert found(Match(path="/v1/*"), path="/v1beta/m") == "s: path: wanted '/v1/*', found '/v1beta/m'"
    assert found(Match(headers=(("x-a", "1"),))) == "s: headers.x-a: wanted '1', found no such header"
    assert found(Match(query=(("alt", "sse"),)), query="alt=json") == "s: query.alt: wanted 'sse', found another value"
    assert found(Match(call=CallRange(2, 3)), call=4) == "s: call: wanted calls 2 to 3, found call 4"
    assert found(Match(call=CallRange(2)), call=1) == "s: call: wanted call 2 or later, found call 1"
    assert found(Match(json={"a": 1}), body=body({"a": 2})) == 's: json: wanted {"a":1}, found a: wanted 1, found 2'
    assert found(Match(last_text="*rain*"), body=body({})) == "s: last_text: wanted '*rain*', found no text"


def test_each_word_can_fit():
    match = Match(
        surface=(Surface.GEMINI,), method="generate*", model="gemini-*", path="/v1*", headers=(("x-a", "1*"),),
        query=(("alt", "sse"),), json={"contents": "*"}, last_text="*rain*", call=CallRange(1, 2), scope="t",
    )  # fmt: skip
    request = {"contents": [{"role": "user", "parts": [{"text": "will it\nrain?"}]}]}
    words = {"model": "gemini-2.5-flash", "path": "/v1beta/x", "query": "a=&alt=sse", "scope": "t", "call": 2}
    assert found(match, headers=((b"X-A", b"no"), (b"X-a", b"12")), body=body(request), **words) == "hit"


def test_a_parameter_without_a_value_is_there():
    for pattern in ("", "*"):
        assert found(Match(query=(("key", pattern),)), query="a=1&key=") == "hit"
    assert found(Match(query=(("key", "*"),)), query="a=1") == "s: query.key: wanted '*', found no such parameter"


def test_a_star_fits_whatever_there_is():
    assert all(glob_test("*")(text) for text in ("", "a", "a\nb", "[*]"))


def test_a_header_value_is_never_repeated():
    assert "secret" not in found(Match(headers=(("x-goog-api-key", "a"),)), headers=((b"X-Goog-Api-Key", b"secret"),))


def test_the_first_armed_scenario_that_fits_answers_and_a_spent_one_does_not():
    matcher = Matcher([scenario("a", Match(model="x")), scenario("b", Match()), scenario("c", Match())])
    assert matcher.find(facts(model="y")) == Hit(1, scenario("b", Match()))
    assert matcher.find(facts(model="y"), spent={1}) == Hit(2, scenario("c", Match()))
    misses = matcher.find(facts(model="y"), spent={1, 2})
    assert isinstance(misses, tuple)
    assert [str(miss) for miss in misses][
        1
    ] == "b: call: wanted a scenario with steps left, found already played to its end"


def test_who_does_not_name_a_plain_route_is_not_said_to_be_played_out():
    scenarios = [scenario("a", Match(call=CallRange(7))), scenario("b", Match(surface=(Surface.VERTEX,)))]
    misses = Matcher(scenarios).find(facts(method="get"), unasked={0, 1})
    assert isinstance(misses, tuple)
    assert [str(miss) for miss in misses] == [
        "a: method: wanted a match that names this method or path, found 'get'",
        "b: surface: wanted vertex, found gemini",
    ]


def test_the_three_nearest_misses_come_first():
    matcher = Matcher(
        [
            scenario("far", Match(surface=(Surface.VERTEX,))),
            scenario("near", Match(json={"a": 1})),
            scenario("middle", Match(model="x")),
            scenario("middle too", Match(model="z")),
        ]
    )
    misses = matcher.find(facts(model="y", body=body({})))
    assert isinstance(misses, tuple)
    assert [miss.scenario for miss in nearest_misses(misses)] == ["near", "middle", "middle too"]


def test_a_scenario_is_shadowed_by_an_earlier_one_that_takes_all_it_takes():
    wide = scenario("wide", Match(surface=(Surface.GEMINI,), model="m"))
    narrow = scenario("narrow", Match(surface=(Surface.GEMINI,), model="m", last_text="hi"))
    wider = scenario("wider", Match(surface=(Surface.GEMINI, Surface.VERTEX), model="m"))
    other = scenario("other", Match(surface=(Surface.GEMINI,), model="x"))
    assert shadowed([wide, narrow, wider, other]) == [(wide, narrow)]
    assert shadowed([narrow, wide]) == [] and shadowed([wider, wide]) == [(wider, wide)]


def test_the_body_is_decoded_at_most_once_and_only_when_a_matcher_needs_it():
    decoded: list[bytes] = []

    def decode(raw: bytes) -> object:
        decoded.append(raw)
        return decode_json(raw)

    request = facts(model="m", body=LazyJson(b'{"a": 1}', decode))
    Matcher([scenario("a", Match(model="x", json={"a": 1})), scenario("b", Match(call=CallRange(9)))]).find(request)
    assert decoded == []
    Matcher([scenario(name, Match(json={"a": name}, last_text=None)) for name in "abc"]).find(request)
    Matcher([scenario("d", Match(last_text="x"))]).find(request)
    assert decoded == [b'{"a": 1}']


def test_no_regular_expression_is_compiled_when_a_request_is_decided(monkeypatch):
    matcher = Matcher([scenario("a", Match(model="gemini-*", headers=(("a", "x*"),), last_text="*q*"))])

    def refuse(*_: object) -> None:
        raise AssertionError("compiled on the hot path")

    monkeypatch.setattr("re.compile", refuse)
    assert isinstance(matcher.find(facts(model="other")), tuple)
    assert isinstance(matcher.find(facts(model="gemini-2", headers=((b"a", b"xy"),), body=body({}))), tuple)


def test_globs_keep_case_and_span_lines():
    assert (
        glob_test("a*")("a\nb")
        and not glob_test("A*")("a")
        and glob_test("[ab]?")("bx")
        and glob_test("plain")("plain")
    )


# ---- JSON subsets


def test_keys_are_compared_in_both_spellings_but_below_free_form_members_as_they_stand():
    assert fits({"clientContent": {"turnComplete": True}}, {"client_content": {"turn_complete": True}})
    assert fits({"client_content": {"turn_complete": True}}, {"clientContent": {"turnComplete": True}})
    call = {"functionCall": {"args": {"cityName": "Paris"}}}
    assert fits(call, {"function_call": {"args": {"cityName": "Paris"}}})
    assert json_mismatch(call, {"functionCall": {"args": {"city_name": "Paris"}}}) == (
        'functionCall.args.cityName: wanted "Paris", found nothing'
    )


def test_what_a_pattern_says():
    assert fits("*", None) and fits({"a": "*"}, {"a": None, "b": 1})
    assert not fits({"a": "*"}, {})
    assert fits({"a": None}, {}) and fits({"a": None}, {"a": None}) and not fits({"a": None}, {"a": 0})
    assert fits([{"a": 1}], [{"a": 1, "b": 2}, "more"]) and not fits([1, 2], [1])
    assert not fits({"a": True}, {"a": 1}) and not fits({"a": 1}, {"a": True}) and fits({"a": 1}, {"a": 1.0})
    assert not fits({}, []) and not fits([], {}) and fits({}, {}) and fits({}, {"a": 1})
    assert json_mismatch({"a": [0, {"b": 1}]}, {"a": [0, {"b": []}]}) == "a[1].b: wanted 1, found a list"
    assert json_mismatch({"a": 1}, decode_json(b"{")) == "body: no JSON"
    assert not fits("*", decode_json(b"\xff"))


keys = st.sampled_from(["a", "turnComplete", "args"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_every_value_fits_itself_and_more(value: object):
    assert fits(value, value) or value == "*" or value is None
    assert fits({"a": value}, {"a": value, "b": 1})


@given(json_values, json_values)
def test_comparing_never_raises(pattern: object, value: object):
    mismatch = json_mismatch(pattern, value)
    assert mismatch is None or mismatch


@given(st.text("abcXYZ", min_size=1, max_size=6).filter(lambda text: text[0].islower()))
def test_the_two_spellings_are_inverses(name: str):
    assert camel_case(snake_case(name)) == name


@pytest.mark.parametrize("spelled", [camel_case, snake_case])
def test_long_names_are_not_kept(spelled):
    """They are a stranger's; a thousand of them would fill the memory for good."""
    for name, keeps in (("a" * 50 + "_b" * 25, True), ("a" * 50 + "_b" * 26, False)):
        known = getrefcount(name)
        assert spelled(name)
        assert (getrefcount(name) > known) is keeps


@given(st.binary(max_size=40))
def test_decoding_never_raises(raw: bytes):
    decode_json(raw)
    assert decode_json(b"[" * 100_000) is decode_json(b"\xff{")


# ---- text of a request


def test_last_text_is_that_of_the_last_user_turn():
    turns = [
        {"role": "user", "parts": [{"text": "one"}]},
        {"role": "user", "parts": [{"text": "two "}, {"inlineData": {}}, {"text": "three"}]},
        {"role": "model", "parts": [{"text": "four"}]},
    ]
    assert last_text({"contents": turns}) == "two three"
    assert last_text({"client_content": {"turns": turns}}) == "two three"
    assert last_text({"clientContent": {"turns": {"parts": [{"text": "alone"}]}}}) == "alone"
    assert last_text({"generateContentRequest": {"contents": turns[:1]}}) == "one"
    assert last_text({"contents": "plain"}) == "plain"
    assert last_text({"realtime_input": {"text": "spoken"}}) == "spoken"
    assert last_text({"instances": [{"prompt": "a lighthouse"}]}) == "a lighthouse"
    assert last_text({"contents": [{"role": "user", "parts": [{"functionResponse": {}}]}]}) is None
    assert last_text({"contents": 5}) is None and last_text(None) is None and last_text(decode_json(b"{")) is None


@given(json_values, st.sampled_from(["contents", "clientContent", "realtimeInput", "instances"]))
def test_looking_for_text_never_raises(value: object, member: str):
    text = last_text({member: value})
    assert text is None or isinstance(text, str)


def test_a_miss_is_one_line():
    assert str(Miss("s", "model", "'a'", "'b'")) == "s: model: wanted 'a', found 'b'"
