"""What a session remembers: sums of tokens, how compression cuts them, snapshots, handles and their age."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from understudy_simulator.live.machine.context import Compression, Context, compression_of
from understudy_simulator.live.machine.memory import SessionMemory, Snapshot

MODALITIES = st.sampled_from(["TEXT", "AUDIO", "IMAGE"])
COUNTS = st.dictionaries(MODALITIES, st.integers(0, 500), max_size=3)


def test_defaults_are_shares_of_the_window():
    assert compression_of(None, 1000) is None
    assert compression_of({}, 1000) == Compression(800, 400)
    assert compression_of({"triggerTokens": "600"}, 1000) == Compression(600, 300)
    assert compression_of({"trigger_tokens": 600, "sliding_window": {"target_tokens": 100}}, 1000) == Compression(
        600, 100
    )


def test_a_context_is_cut_from_its_oldest_end_when_it_reaches_the_trigger():
    context = Context(10_000, Compression(100, 50))
    context.fix({"TEXT": 10})
    for tokens in (30, 30, 29):
        context.add({"TEXT": tokens})
    assert context.prompt() == {"TEXT": 99}
    context.add({"AUDIO": 1})
    assert context.prompt() == {"TEXT": 39, "AUDIO": 1}


def test_what_the_setup_says_stays_and_can_be_replaced():
    context = Context(10_000, Compression(10, 5))
    context.fix({"TEXT": 100})
    context.add({"TEXT": 7})
    context.add({"TEXT": 8})
    assert context.prompt() == {"TEXT": 108}
    context.fix({"TEXT": 1})
    assert context.prompt() == {"TEXT": 9}


def test_a_context_without_compression_fills_up():
    context = Context(10)
    context.add({"TEXT": 10})
    assert not context.is_full
    context.add({"TEXT": 1})
    assert context.is_full


@given(st.lists(COUNTS, max_size=12), COUNTS)
def test_the_prompt_is_the_sum_of_all_that_was_said(entries, fixed):
    context = Context(10_000_000)
    context.fix(fixed)
    for entry in entries:
        context.add(entry)
    total = {}
    for entry in (fixed, *entries):
        for modality, tokens in entry.items():
            total[modality] = total.get(modality, 0) + tokens
    assert context.prompt() == {modality: tokens for modality, tokens in total.items() if tokens}
    other = Context(10_000_000)
    other.fix(fixed)
    other.recall(context.remembered())
    assert other.prompt() == context.prompt()


@given(st.lists(COUNTS, max_size=20), st.integers(1, 900), st.integers(1, 900))
def test_a_cut_context_is_below_its_target_or_has_one_turn_left(entries, trigger, target):
    context = Context(10_000_000, Compression(trigger, min(trigger, target)))
    for entry in entries:
        context.add(entry)
        size = sum(context.prompt().values())
        assert size < trigger or len(context.remembered().entries) == 1 or size <= min(trigger, target)


# ---- handles

HANDLE = "h" * 40


class Time:
    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now


def snapshot(session="s"):
    return Snapshot("m", Context(1).remembered(), (), 1, session, 0.0)


def test_a_handle_is_good_while_its_session_goes_on_and_two_hours_after():
    time = Time()
    memory = SessionMemory(time)
    memory.keep("a", HANDLE, snapshot())
    time.now += timedelta(hours=5)
    assert memory.find("a", HANDLE) == snapshot()
    memory.end("a", "s", 7200)
    time.now += timedelta(seconds=7199)
    assert memory.find("a", HANDLE) == snapshot()
    time.now += timedelta(seconds=1)
    assert memory.find("a", HANDLE) == "unknown"


def test_handles_that_are_good_no_more_take_no_memory():
    time = Time()
    memory = SessionMemory(time)
    for session in ("one", "two", "three"):
        memory.keep("a", session.rjust(40, "h"), snapshot(session))
    memory.keep("a", HANDLE, snapshot("one"))
    memory.end("a", "one", 7200)
    time.now += timedelta(seconds=7000)
    memory.end("a", "two", 7200)
    assert len(memory) == 4
    time.now += timedelta(seconds=200)
    memory.end("a", "unheard of", 7200)
    assert len(memory) == 2
    time.now += timedelta(seconds=7000)
    memory.keep("b", HANDLE, snapshot())
    assert len(memory) == 2
    assert memory.find("a", "three".rjust(40, "h")) == snapshot("three")


def test_handles_belong_to_a_scope_and_are_forgotten_with_it():
    memory = SessionMemory(Time())
    memory.keep("a", HANDLE, snapshot())
    memory.keep("b", HANDLE, snapshot())
    assert memory.find("c", HANDLE) == "unknown"
    memory.forget("a")
    assert memory.find("a", HANDLE) == "unknown"
    assert memory.find("b", HANDLE) == snapshot()
    memory.forget()
    assert memory.find("b", HANDLE) == "unknown"


def test_what_has_not_the_form_of_a_handle_is_malformed():
    memory = SessionMemory(Time())
    for handle in ("", "short", "h" * 31, "h" * 39 + "!", "ü" * 40, "h" * 513):
        assert memory.find("", handle) == "malformed"


def test_the_oldest_handles_are_forgotten():
    memory = SessionMemory(Time())
    for number in range(20_001):
        memory.keep("", f"{number:040d}", snapshot())
    assert memory.find("", f"{0:040d}") == "unknown"
    assert memory.find("", f"{20_000:040d}") == snapshot()
