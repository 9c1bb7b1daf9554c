"""Hypothesis strategies that several test files share, and how many examples a dear property gets."""

from hypothesis import settings
from hypothesis import strategies as st

from understudy.messages import (
    BINARY,
    TEXT,
    Chunk,
    Close,
    Exchange,
    Frame,
    Origin,
    Request,
    Response,
    Session,
    Transcript,
)
from understudy.scenario.model import (
    Branch,
    Case,
    CloseSession,
    Fault,
    Pause,
    Payload,
    Receive,
    Repeat,
    Send,
    SendAudio,
    Step,
)


def dear(times: int) -> settings:
    """For a property whose examples cost `times` what others' do: so many times fewer of them, but not below 25."""
    return settings(max_examples=max(25, settings().max_examples // times))


times = st.floats(0, 1e6, allow_nan=False)
header_names = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ-0123456789", min_size=1, max_size=20).map(str.encode)
header_text = st.binary(max_size=30).map(lambda value: bytes(b for b in value if b >= 0x20 and b != 0x7F))
raw_headers = st.lists(st.tuples(header_names, header_text), max_size=6).map(tuple)
targets = st.text("abc/%2F:?&=key", max_size=30).map(lambda text: "/" + text)
origins = st.builds(
    Origin,
    st.text(max_size=5),
    st.sampled_from(["gemini", "vertex-live", ""]),
    st.none() | st.just("gemini/generate"),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
requests = st.builds(Request, st.sampled_from(["GET", "POST"]), targets, raw_headers, st.binary(max_size=50))
chunks = st.builds(Chunk, st.binary(max_size=20), times)
responses = st.builds(
    Response, st.integers(100, 599), raw_headers, st.lists(chunks, max_size=3).map(tuple), st.booleans()
)
senders = st.sampled_from(["client", "server"])
exchanges = st.builds(
    Exchange,
    st.integers(),
    requests,
    st.none() | responses,
    times,
    times,
    st.none() | st.text(max_size=5),
    origins,
    st.integers(0, 3),
)
frames = st.builds(Frame, senders, st.sampled_from([TEXT, BINARY]), st.binary(max_size=20), times)
closes = st.builds(Close, senders, st.none() | st.integers(1000, 4999), st.text(max_size=5), times)
sessions = st.builds(
    Session,
    st.integers(),
    requests,
    st.integers(100, 599),
    st.lists(frames, max_size=3).map(tuple),
    st.none() | closes,
    times,
    st.none() | times,
    origins,
    raw_headers,
)
transcripts = st.builds(
    Transcript, st.lists(exchanges, max_size=2).map(tuple), st.lists(sessions, max_size=2).map(tuple), st.integers(0, 9)
)


def splits(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """The same bytes, cut anywhere; empty pieces included."""
    cuts = st.lists(st.integers(0, len(data)), max_size=6).map(sorted)
    return cuts.map(lambda at: [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)])


patterns = st.sampled_from([{"a": 1}, {"a": "*"}, {"b": "*"}, {"setup": {}}])
faults = st.sampled_from([Fault("latency", 1), Fault("stall", 1), Fault("reset_peer"), Fault("slice", size=1)])
_plain_live_steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Receive, st.none() | patterns, st.booleans(), st.integers(0, 9), st.none() | st.floats(0, 9)),
    st.builds(Send, st.just(Payload((b"hi",), "text")), st.just(BINARY), st.none() | faults),
    st.builds(SendAudio, st.floats(0, 0.2), st.just(0.04), pace=st.sampled_from([0.0, 1.0])),
    st.builds(Pause, st.floats(0, 3)),
    st.builds(CloseSession, st.none() | st.just(1000)),
    faults,
)


def live_steps(times: st.SearchStrategy[int | None]) -> st.SearchStrategy[Step]:
    """Steps of a Live session's server, in any order, sensible or not; `times` is how often a repeat is played."""

    def nested(inner: st.SearchStrategy[Step]) -> st.SearchStrategy[Step]:
        steps = st.lists(inner, max_size=2).map(tuple)
        cases = st.lists(st.builds(Case, patterns, steps), max_size=2).map(tuple)
        return st.builds(Repeat, steps, times) | st.builds(Branch, cases, steps)

    return st.recursive(_plain_live_steps, nested, max_leaves=5)
