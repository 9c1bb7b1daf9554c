"""What the pool decides."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from understudy_gateway.routes import Upstream
from understudy_gateway.upstream.exchanges import RequestHead
from understudy_gateway.upstream.pool import Pool, may_repeat, origin_of

HERE, THERE = ("http", "a.example", 80), ("https", "a.example", 443)
GET = RequestHead("GET", Upstream("gemini", "https", "a.example", 443, "/base"), b"/", ((b"Authorization", b"x"),))


def test_the_connection_that_came_last_is_taken_first():
    pool: Pool[str] = Pool()
    for name in ("one", "two", "three"):
        pool.put(HERE, name)
    assert [pool.take(HERE) for _ in range(4)] == ["three", "two", "one", None]


def test_connections_are_kept_apart_by_origin():
    pool: Pool[str] = Pool()
    pool.put(HERE, "plain")
    assert pool.take(THERE) is None
    assert pool.take(HERE) == "plain"


def test_credentials_path_and_project_are_no_part_of_the_origin():
    other = replace(
        GET, target=b"/other", headers=(), upstream=dataclasses.replace(GET.upstream, project="p", base_path="")
    )
    assert origin_of(GET) == origin_of(other) == THERE


def test_the_one_that_waited_longest_goes_when_there_are_too_many():
    pool: Pool[str] = Pool(most_idle=2)
    assert [pool.put(HERE, "one"), pool.put(THERE, "two"), pool.put(HERE, "three")] == [None, None, "one"]
    assert (len(pool), pool.take(HERE), pool.take(HERE), pool.take(THERE)) == (2, "three", None, "two")


def test_a_discarded_connection_is_not_taken_and_discarding_twice_does_no_harm():
    pool: Pool[str] = Pool()
    pool.put(HERE, "one")
    pool.discard("one")
    pool.discard("one")
    assert pool.take(HERE) is None


def test_a_drained_pool_is_empty():
    pool: Pool[str] = Pool()
    pool.put(HERE, "one")
    pool.put(THERE, "two")
    assert pool.drain() == ("one", "two")
    assert (len(pool), pool.take(HERE), pool.drain()) == (0, None, ())


MOVES = st.lists(st.tuples(st.sampled_from(["put", "take", "discard"]), st.integers(0, 3), st.integers(0, 30)))


@given(moves=MOVES)
def test_the_pool_is_a_bounded_stack_for_each_origin(moves):
    pool: Pool[int] = Pool(most_idle=4)
    kept: list[tuple[int, int]] = []
    for move, place, number in moves:
        origin = ("http", f"{place}.example", 80)
        known = {found for _, found in kept}
        if move == "put" and number not in known:
            kept.append((place, number))
            assert pool.put(origin, number) == (kept.pop(0)[1] if len(kept) > 4 else None)
        elif move == "take":
            mine = [entry for entry in kept if entry[0] == place]
            assert pool.take(origin) == (mine[-1][1] if mine else None)
            if mine:
                kept.remove(mine[-1])
        elif move == "discard":
            pool.discard(number)
            kept = [entry for entry in kept if entry[1] != number]
        assert len(pool) == len(kept)
    assert pool.drain() == tuple(number for _, number in kept)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"])
@pytest.mark.parametrize("body", [{}, {"length": 0}, {"length": 1}, {"is_chunked": True}])
@pytest.mark.parametrize("was_reused", [True, False])
@pytest.mark.parametrize("has_answered", [True, False])
def test_only_what_is_idempotent_and_whole_is_repeated_and_only_if_the_connection_may_have_been_closed(
    method, body, was_reused, has_answered
):
    is_safe = method not in ("POST", "PATCH") and body in ({}, {"length": 0})
    request = replace(GET, method=method, **body)
    found = may_repeat(request, was_reused=was_reused, has_answered=has_answered)
    assert found == (is_safe and was_reused and not has_answered)
