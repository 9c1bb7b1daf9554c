"""Heads that came before are not judged again: what is remembered, for how long, and that nothing else follows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.messages import RawHeaders
from understudy.secret import Secret
from understudy_gateway.keys import Caller
from understudy_gateway.known_heads import LONGEST_HEAD, KnownHead, KnownHeads
from understudy_gateway.refusals import Reason, Refusal
from understudy_gateway.routing import route
from understudy_gateway.settings import Account, ApiKey, GatewayConfig

CONFIG = GatewayConfig(
    keys=(),
    gemini=Account("gemini", "gemini", None, source=ApiKey(Secret("upstream"))),
    vertex=Account("vertex", "vertex_ai"),
)
PATH = "/gemini/v1beta/models/gemini-2.5-flash:generateContent"


def known() -> KnownHead:
    found = route(CONFIG, "POST", PATH.encode())
    assert not isinstance(found, Refusal)
    return KnownHead(found, Caller("one", (), b"sk-one-of-the-keys"), ())


NAMES = st.sampled_from(
    [*(b"Host", b"Content-Length", b"content-length", b"Accept-Charset", b"x-goog-api-key"), b"X-LiteLLM-Call-Id"]
)
HEADERS = st.lists(st.tuples(NAMES, st.sampled_from([b"1", b"2", b""])), max_size=5).map(tuple)
ALONE = (b"content-length", b"x-litellm-call-id")


def came_twice(heads: KnownHeads, headers: RawHeaders, one: KnownHead) -> None:
    for _ in range(2):
        heads.put("POST", PATH, headers, one)


@given(HEADERS, HEADERS)
def test_heads_are_the_same_if_they_differ_in_nothing_but_length_and_id(first, second):
    heads, one = KnownHeads(), known()
    came_twice(heads, first, one)
    shorn = [tuple(f for f in fields if f[0].lower() not in ALONE) for fields in (first, second)]
    assert (heads.get("POST", PATH, second) is one) == (shorn[0] == shorn[1])
    assert heads.get("GET", PATH, first) is None
    assert heads.get("POST", PATH + "?", first) is None


def test_what_came_once_is_not_remembered():
    heads, headers = KnownHeads(), ((b"traceparent", b"00-1-1-01"),)
    heads.put("POST", PATH, headers, known())
    assert heads.get("POST", PATH, headers) is None
    assert len(heads) == 0
    heads.put("POST", PATH, headers, known())
    assert heads.get("POST", PATH, headers) is not None


def test_so_many_are_remembered_and_no_long_ones():
    """S-56: what clients send bounds itself."""
    heads = KnownHeads(most=3, most_seen=5)
    for number in range(10):
        headers = ((b"n", b"%d" % number),)
        came_twice(heads, headers, known())
        assert len(heads) <= 3
        assert len(heads._seen) <= 5
        assert heads.get("POST", PATH, headers) is not None
    heads = KnownHeads()
    came_twice(heads, ((b"n", b"x" * LONGEST_HEAD),), known())
    assert len(heads) == 0


@pytest.mark.parametrize("name", [b"x-litellm-call-id", b"X-LiteLLM-Call-Id"])
def test_a_field_that_carries_the_key_always_tells(name: bytes):
    """AUTH-1: whatever else it is called."""
    heads = KnownHeads(b"x-litellm-call-id")
    came_twice(heads, ((name, b"sk-one-of-the-keys"),), known())
    assert heads.get("POST", PATH, ((name, b"sk-a-wrong-key"),)) is None
    assert heads.get("POST", PATH, ()) is None


def test_what_goes_up_is_known_for_one_credential_at_a_time():
    head, first, second = known(), ((b"authorization", b"token-1"),), ((b"authorization", b"token-2"),)
    assert head.sent(first) is None and head.sent(()) is None
    head.send(first, ((b"x", b"1"),))
    assert head.sent(first) == ((b"x", b"1"),) and head.sent(second) is None
    head.send(second, Refusal(Reason.INVALID_HEADER))
    assert head.sent(first) is None and isinstance(head.sent(second), Refusal)
    assert "token" not in repr(head)  # S-8


def test_another_route_of_the_same_head_begins_anew():
    """A fallback takes the client's head another way; what went up on the first is not its (ERR-6)."""
    head = known()
    head.send((), ((b"x", b"1"),))
    assert replace(head, route=head.route).sent(()) is None
