import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy_gateway.config import parse_config
from understudy_gateway.keys import Caller, KeyRing
from understudy_gateway.query import parameters, without
from understudy_gateway.refusals import Reason, Refusal

KEY, OTHER = "sk-team-0123456789", "sk-other-0123456789"
CONFIG = {
    "general_settings": {"litellm_key_header_name": "X-My-Key"},
    "understudy_settings": {"keys": [{"id": "team", "key": KEY, "tags": ["a"]}, {"id": "other", "key": OTHER}]},
}
RING = KeyRing(parse_config(CONFIG, {}))
DEVELOPMENT = KeyRing(parse_config({"understudy_settings": {"development": True}}, {}))


def caller(*fields, query="", is_live=False, ring=RING):
    headers = tuple((name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in fields)
    return ring.caller(headers, parameters(query.encode()), is_live=is_live)


def let_in(*fields, **options) -> Caller:
    found = caller(*fields, **options)
    assert isinstance(found, Caller)
    return found


CARRIERS = [
    ("x-my-key", KEY),
    ("X-MY-KEY", f"Bearer {KEY}"),
    ("x-litellm-api-key", KEY),
    ("X-LiteLLM-API-Key", f"Bearer {KEY}"),
    ("Authorization", f"Bearer {KEY}"),
    ("authorization", f"bearer  {KEY}"),
    ("x-goog-api-key", KEY),
    ("X-Goog-Api-Key", KEY),
]


@pytest.mark.parametrize("field", CARRIERS)
@pytest.mark.parametrize("is_live", [False, True])
def test_every_carrier_lets_in(field, is_live):
    found = let_in(field, is_live=is_live)
    assert (found.key_id, found.tags, found.presented) == ("team", ("a",), KEY.encode())


@pytest.mark.parametrize("query", [f"key={KEY}", f"a=1&%6bey={KEY.replace('-', '%2D')}"])
def test_the_query_lets_in(query):
    assert let_in(query=query).key_id == "team"


@pytest.mark.parametrize(
    "field", [("api-key", KEY), ("Sec-WebSocket-Protocol", f"realtime, openai-insecure-api-key.{KEY}")]
)
def test_browser_carriers_let_in_on_live_only(field):
    assert let_in(field, is_live=True).key_id == "team"
    assert caller(field) == Refusal(Reason.NO_KEY)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (("x-goog-api-key", "wrong-0123456789abc"), Reason.WRONG_KEY),
        (("x-goog-api-key", ""), Reason.NO_KEY),
        (("x-goog-api-key", "   "), Reason.NO_KEY),
        (("x-goog-api-key", f"{KEY}, {KEY}"), Reason.NO_KEY),
        (("x-goog-api-key", f"{KEY} x"), Reason.NO_KEY),
        (("x-goog-api-key", KEY.encode() + b"\xe9"), Reason.NO_KEY),
        (("x-goog-api-key", KEY[:-1]), Reason.WRONG_KEY),
        (("x-goog-api-key", KEY.upper()), Reason.WRONG_KEY),
        (("Authorization", KEY), Reason.NO_KEY),
        (("Authorization", f"Basic {KEY}"), Reason.NO_KEY),
        (("x-api-key", KEY), Reason.NO_KEY),
    ],
)
def test_anything_else_is_a_401(field, reason):
    found = caller(field)
    assert isinstance(found, Refusal)
    assert found == Refusal(reason)
    assert found.status == 401
    assert KEY not in found.message


def test_a_carrier_that_occurs_twice_holds_no_key():
    assert caller(("x-goog-api-key", KEY), ("X-Goog-Api-Key", KEY)) == Refusal(Reason.NO_KEY)
    assert caller(query=f"key={KEY}&key={KEY}") == Refusal(Reason.NO_KEY)


def test_two_carriers_with_different_keys_are_refused_and_with_the_same_key_let_in():
    assert caller(("x-goog-api-key", KEY), ("Authorization", f"Bearer {OTHER}")) == Refusal(Reason.TWO_KEYS)
    assert let_in(("x-goog-api-key", KEY), ("Authorization", f"Bearer {KEY}")).key_id == "team"


def test_a_google_token_beside_the_key_does_no_harm():
    found = let_in(("Authorization", "Bearer ya29.google"), ("x-litellm-api-key", KEY))
    assert found.presented == KEY.encode()


def test_development_lets_any_key_in_but_not_none():
    assert let_in(("x-goog-api-key", "whatever"), ring=DEVELOPMENT).key_id == "development"
    assert caller(ring=DEVELOPMENT) == Refusal(Reason.NO_KEY)


def test_the_known_key_counts_in_development_too():
    ring = KeyRing(
        parse_config({**CONFIG, "understudy_settings": {**CONFIG["understudy_settings"], "development": True}}, {})
    )
    assert let_in(("Authorization", "Bearer ya29.x"), ("x-goog-api-key", KEY), ring=ring).key_id == "team"


@given(
    st.lists(
        st.tuples(st.sampled_from(["x-goog-api-key", "Authorization", "x-litellm-api-key"]), st.binary(max_size=30))
    )
)
def test_garbage_lets_nobody_in(fields):
    assert isinstance(caller(*fields), Refusal)


@given(st.lists(st.text("ab=%6y", max_size=5), max_size=4))
def test_a_query_that_loses_nothing_stays_the_same_object_of_bytes(pieces):
    query = "&".join(pieces).encode()
    assert without(query, frozenset({b"key"})) == query


def test_an_emptied_query_is_none_and_an_empty_one_stays_empty():
    assert without(b"key=1", frozenset({b"key"})) is None
    assert without(b"", frozenset({b"key"})) == b""
    assert without(None, frozenset({b"key"})) is None
