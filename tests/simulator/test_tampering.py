"""Bytes made wrong on purpose, and answers with faults laid over them: what holds whatever comes in."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from understudy.scenario.model import Fault, FaultKind, Pause
from understudy_simulator.draws import Draws
from understudy_simulator.encoding import ArrayFraming, SseFraming
from understudy_simulator.ids import Identity
from understudy_simulator.injecting import ENDS, befallen, placed
from understudy_simulator.replies import Outgoing
from understudy_simulator.tampering import CONTENT, cut, places, tampered

names = st.sampled_from(["a", "b", "text", "finishReason"])
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.just('"a": 1, {'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=4)
layouts = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}])
kinds = st.sampled_from(sorted(CONTENT))
content = st.builds(lambda kind, size: Fault(kind, size=size, text="a"), kinds, st.integers(1, 20))
everything: st.SearchStrategy[Any] = st.sampled_from(
    [
        *sorted(CONTENT),
        *sorted(ENDS),
        "end",
        "drop",
        "duplicate",
        "reorder",
        "latency",
        "jitter",
        "slice",
        "content_type",
    ]
)
faults = st.builds(lambda kind, size: Fault(kind, 1.0, size, "a"), everything, st.integers(1, 9))


def draws(number=1):
    return Draws(Identity(0, "", number), "test")


def without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: without(inner, name) for key, inner in value.items() if key != name}
    return [without(inner, name) for inner in value] if isinstance(value, list) else value


@given(objects, layouts)
def test_without_leaves_out_every_member_of_that_name_and_nothing_else(value, layout):
    data = json.dumps(value, ensure_ascii=False, **layout).encode()
    assert json.loads(tampered(data, Fault("without", text="a"), draws())) == without(value, "a")


@given(objects, layouts)
def test_a_doubled_member_changes_nothing_for_who_reads_the_last(value, layout):
    data = json.dumps(value, **layout).encode()
    found = tampered(data, Fault("duplicate_field", text="a"), draws())
    assert json.loads(found) == value
    assert (len(found) > len(data)) == (without(value, "a") != value)


@given(objects, layouts, st.integers(1, 1000))
def test_padding_is_no_change_for_who_reads_json(value, layout, size):
    data = json.dumps(value, **layout).encode()
    found = tampered(data, Fault("pad", size=size), draws())
    assert len(found) == len(data) + size and json.loads(found) == value


@given(st.integers(0, 200), st.integers(1, 300), st.integers(0, 99))
def test_places_are_different_and_inside(size, count, number):
    found = places(size, count, draws(number))
    assert len(set(found)) == len(found) == min(size, count)
    assert all(0 <= at < size for at in found)


@given(st.text(max_size=50), st.integers(1, 9) | st.none())
def test_pieces_are_the_whole(text, size):
    data = text.encode()
    pieces = cut(data, Fault("slice", text="utf8") if size is None else Fault("slice", size=size))
    assert b"".join(pieces) == data
    if size is None:
        assert len(pieces) == 1 + sum(len(char.encode()) > 1 for char in text)


@given(st.binary(max_size=60), content)
def test_any_bytes_can_be_tampered_with(data, fault):
    tampered(data, fault, draws())


@given(
    st.lists(st.integers(0, 9), max_size=5),
    st.booleans(),
    st.lists(st.tuples(faults, st.none() | st.integers(1, 6)), max_size=4),
)
def test_any_faults_can_be_laid_over_any_stream(numbers, is_array, laid):
    framing = ArrayFraming() if is_array else SseFraming()
    parts = (*(framing.element(b'{"a": %d}' % number) for number in numbers), framing.end())
    outgoing = placed(Outgoing(headers=((b"Content-Type", b"x"),), parts=parts), laid)
    once, again = (befallen(outgoing, draws()) for _ in range(2))
    assert once == again
    ends = [index for index, part in enumerate(once.parts) if isinstance(part, Fault) and part.kind in ENDS]
    assert not ends or ends == [len(once.parts) - 1]
    assert all(isinstance(part, bytes | Pause | Fault) for part in once.parts)
    if not laid:
        assert once.parts == parts


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.data())
def test_an_array_stays_an_array_whatever_chunk_is_left_out_doubled_or_moved(numbers, data):
    framing = ArrayFraming()
    parts = (*(framing.element(b"%d" % number) for number in numbers), framing.end())
    at = data.draw(st.integers(1, len(numbers)))
    kind: FaultKind = data.draw(st.sampled_from(["drop", "duplicate", "reorder"]))
    found = befallen(placed(Outgoing(parts=parts), [(Fault(kind), at)]), draws())
    left = numbers[:at] + numbers[at - 1 :]
    if kind == "drop":
        left = numbers[: at - 1] + numbers[at:]
    elif kind == "reorder":
        left = [*numbers[: at - 1], *numbers[at : at + 1], numbers[at - 1], *numbers[at + 1 :]]
    assert json.loads(b"".join(part for part in found.parts if isinstance(part, bytes))) == left


@given(st.integers(1, 8), st.integers(1, 99))
def test_so_many_bytes_are_changed_whatever_lies_between_them(count, number):
    parts = (b"aaaa", Pause(1), Pause(1), b"aaaa", Pause(1))
    found = befallen(Outgoing(parts=parts, faults=(Fault("corrupt", size=count),)), draws(number))
    assert [part for part in found.parts if isinstance(part, Pause)] == [Pause(1)] * 3
    assert sum(byte != ord("a") for part in found.parts if isinstance(part, bytes) for byte in part) == count


@given(st.integers(0, 10**9), st.text("ab", max_size=3), st.integers(1, 10**6))
def test_draws_are_the_same_again_and_spread_over_the_unit(seed, scope, number):
    one, other = (Draws(Identity(seed, scope, number), "p") for _ in range(2))
    drawn = [one.next() for _ in range(20)]
    assert drawn == [other.next() for _ in range(20)]
    assert len(set(drawn)) == 20 and all(0 <= value < 1 for value in drawn)
