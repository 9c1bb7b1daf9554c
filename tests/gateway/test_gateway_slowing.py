"""Addresses that show wrong keys again and again: their refused answers wait, and nothing else does (S-21)."""

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from attack_stand import LIVE, Field, field
from gateway_stand import KEY, request
from hypothesis import given
from hypothesis import strategies as st
from live_doubles import handshake
from test_upstream_transport import until

from understudy_gateway.failing import HALF_LIFE_S, FailingAddresses, delay_s, party_of
from understudy_gateway.slowing import MOST_HELD

WRONG = request(key="sk-a-wrong-key-0123456789")
LONG_S = 600.0
MANY = 300
"""So many wrong keys that the next answer waits for longer than any test."""

TIMES = st.floats(0, 1e9)
FAILURES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 1e4)), max_size=60)


@given(FAILURES, st.integers(1, 5))
def test_the_table_is_bounded_and_no_count_is_more_than_there_were(failures, most):
    table, seen, now = FailingAddresses(most), {}, 0.0
    for party, pause_s in failures:
        now += pause_s
        seen[party] = seen.get(party, 0) + 1
        assert 1 <= table.failed(party, now) <= seen[party]
        assert len(table) <= most


@given(FAILURES)
def test_an_address_is_counted_whatever_others_do(failures):
    table, alone, now = FailingAddresses(8), FailingAddresses(1), 0.0
    for party, pause_s in failures:
        now += pause_s
        found = table.failed(party, now)
        if party == "a":
            assert found == alone.failed(party, now)


@given(st.integers(1, 500), TIMES, st.integers(1, 30))
def test_half_is_forgotten_in_each_half_life(count, begin, lives):
    table = FailingAddresses()
    for _ in range(count):
        found = table.failed("a", begin)
    assert found == count
    assert table.failed("a", begin + lives * HALF_LIFE_S) == pytest.approx(1 + count / 2**lives, rel=1e-3)


def test_a_clock_that_stands_or_goes_back_gives_nothing_away():
    table = FailingAddresses()
    table.failed("a", 100.0)
    assert table.failed("a", 50.0) == 2


def test_the_address_that_was_quiet_longest_is_forgotten():
    table = FailingAddresses(2)
    for party in ("a", "b", "a", "c"):
        table.failed(party, 0.0)
    assert (table.failed("a", 0.0), table.failed("b", 0.0)) == (3, 1)


@given(st.floats(1, 1e6), st.floats(0, 1e6), st.integers(0, 1000), st.floats(0, 100))
def test_a_delay_grows_with_the_count_from_nothing_to_the_longest(count, more, free, longest_s):
    assert 0 <= delay_s(count, free, longest_s) <= delay_s(count + more, free, longest_s) <= longest_s
    assert count > free or delay_s(count, free, longest_s) == 0


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_of_an_ipv6_address_the_first_half_counts(address, other):
    neighbour = (int(address) >> 64 << 64) + other
    if address.ipv4_mapped is None and type(address)(neighbour).ipv4_mapped is None:
        assert party_of((str(address), 1, 0, 0)) == party_of((str(type(address)(neighbour)), 2, 0, 0))


@pytest.mark.parametrize(
    ("peer", "party"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("fe80::1%eth0", 1, 0, 2), "fe80000000000000/64"),
        (("2001:db8:1:2::9", 1, 0, 0), "20010db800010002/64"),
        ("", None),
        (b"\0abstract", None),
        (None, None),
        ((), None),
        (("host", 1), None),
    ],
)
def test_a_peer_name_says_who_it_is(peer, party):
    assert party_of(peer) == party


def refused(caplog) -> int:
    """How many wrong keys the log tells of."""
    return sum('"WRONG_KEY"' in one.getMessage() for one in caplog.records)


async def fail(attack: Field, caplog, times: int) -> None:
    """Wrong keys of clients that do not wait for the answer."""
    for _ in range(times):
        before = refused(caplog)
        async with attack.talk() as talk:
            await talk.send(WRONG)
            await until(lambda known=before: refused(caplog) > known)
            talk.leave()


@asynccontextmanager
async def slowed(caplog, monotonic=None, data=WRONG, **limits):
    """A gateway of whose clients one waits for the answer to its wrong key."""
    caplog.set_level(logging.INFO)
    clock = {} if monotonic is None else {"monotonic": monotonic}
    ours = {"limits": {"wrong_keys": 5, **limits}, "timeouts": {"wrong_key_s": LONG_S}}
    async with field(**ours, **clock) as attack:
        await fail(attack, caplog, MANY)
        async with attack.talk() as talk:
            before = refused(caplog)
            await talk.send(data)
            await until(lambda: refused(caplog) > before)
            yield attack, talk
            talk.leave()


async def silent(talk) -> None:
    """Nothing has come on a connection."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(talk.reader.read(1), 0.2)


@pytest.mark.parametrize("data", [WRONG, handshake(LIVE.encode(), b"x-goog-api-key: sk-wrong-0123456789")])
async def test_the_answer_to_one_wrong_key_after_the_other_waits_and_good_keys_do_not(caplog, data):
    """S-21."""
    async with slowed(caplog, data=data) as (attack, talk):
        for _ in range(3):
            assert (await attack.asked(request())).status == 200
        assert (await attack.asked(request(key=None))).status == 401  # who shows none tries none
        await silent(talk)
    assert "sk-a-wrong" not in caplog.text
    assert KEY not in caplog.text


async def test_answers_that_wait_are_few_and_those_beyond_go_out_at_once_and_end_their_connection(caplog):
    """S-21: waiting costs an attacker a connection, and the gateway no more than a few."""
    async with slowed(caplog) as (attack, first), AsyncExitStack() as stack:
        for _ in range(MOST_HELD - 1):
            talk = await stack.enter_async_context(attack.talk())
            before = refused(caplog)
            await talk.send(WRONG)
            await until(lambda known=before: refused(caplog) > known)
        reply = await attack.asked(WRONG)
        assert (reply.status, reply.value(b"connection")) == (401, b"close")
        assert (await attack.asked(request())).status == 200
        await silent(first)
        talk.leave()  # and its place is free
        await until(lambda: attack.running._metrics.in_flight < MOST_HELD)
        async with attack.talk() as late:
            await late.send(WRONG)
            await silent(late)
            late.leave()


async def test_what_an_address_did_is_forgotten(caplog):
    """S-21: a proxy's address is that of many."""
    now = [1000.0]
    async with slowed(caplog, lambda: now[0]) as (attack, talk):
        now[0] += 20 * HALF_LIFE_S
        reply = await attack.asked(WRONG)
        assert (reply.status, reply.value(b"connection")) == (401, None)
        await silent(talk)


async def test_few_wrong_keys_cost_nothing_and_it_can_be_switched_off(caplog):
    """S-21."""
    async with field(timeouts={"wrong_key_s": LONG_S}) as attack:
        for _ in range(90):
            assert (await attack.asked(WRONG)).status == 401
    caplog.set_level(logging.INFO)
    async with field(limits={"wrong_keys": 0}, timeouts={"wrong_key_s": 0}) as attack:
        await fail(attack, caplog, MANY)
        assert (await attack.asked(WRONG)).status == 401
