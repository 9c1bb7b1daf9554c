"""Hypothesis strategies that several test files share."""

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
    Exchange, st.integers(), requests, st.none() | responses, times, times, st.none() | st.text(max_size=5), origins
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
