"""What it costs to judge: twice as many entries take about twice as many steps, whatever clients did."""

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from history_builder import STREAM, History

from understudy.client_verdicts.catalogue import judge
from understudy.messages import Transcript

SETUP = {"model": "models/gemini-2.0-flash-live-001"}


def words(number: int) -> bytes:
    turns = [{"role": "model", "parts": [{"text": f"said {number}"}]}, {"role": "user", "parts": [{"text": "go on"}]}]
    return json.dumps({"contents": turns}).encode()


def different(seen: History, number: int) -> None:
    seen.ask(number * 0.01, body=words(number), connection=1 + number % 8)


def failing(seen: History, number: int) -> None:
    seen.ask(number * 0.01, 429, told="5s", connection=1 + number % 8, took=0.05)


def scoped(seen: History, number: int) -> None:
    seen.scope = f"scope-{number}"
    different(seen, number)


def cut(seen: History, number: int) -> None:
    said = {"candidates": [{"content": {"role": "model", "parts": [{"text": f"words {number}"}]}}]}
    seen.ask(number * 0.01, target=STREAM, answer=b"data: %s\r\n\r\n" % json.dumps(said).encode(), body=words(number))


def polling(seen: History, number: int) -> None:
    seen.ask(number * 0.01, method="GET", target="/v1beta/models/veo-3/operations/a", body=b"", answer=b'{"name":"a"}')


def redirected(seen: History, number: int) -> None:
    where = ((b"location", f"https://h/v1beta/files/f{number}:there".encode()),)
    seen.ask(number * 0.01, 302, method="GET", target=f"/v1beta/files/f{number}", body=b"", answer_headers=where)


def uploading(seen: History, number: int) -> None:
    url = ((b"x-goog-upload-url", f"https://h/u?upload_id={number}".encode()),)
    start, part = ((b"x-goog-upload-command", b"start"),), ((b"x-goog-upload-command", b"upload"),)
    seen.ask(number * 0.01, target="/upload", headers=start, answer_headers=url, body=b"%d" % number)
    seen.ask(number * 0.01, 503, target=f"/upload?upload_id={number}", headers=part, body=b"xx")


def resuming(seen: History, number: int, *, latest: bool = True) -> None:
    handle = {"handle": f"h{number - 1 if latest else 0}"} if number else {}
    given = {"newHandle": f"h{number}", "resumable": True}
    seen.session(
        number * 10.0,
        (0, "client", {"setup": SETUP | {"sessionResumption": handle}}),
        (0.1, "server", {"setupComplete": {}}),
        (1, "server", {"sessionResumptionUpdate": given}),
        ended=8,
    )


def resuming_from_the_first(seen: History, number: int) -> None:
    resuming(seen, number, latest=False)


def steps(transcript: Transcript) -> int:
    """How many bytecodes it takes to judge."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        judge(transcript)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "client",
    [different, failing, scoped, cut, polling, redirected, uploading, resuming, resuming_from_the_first],
)
def test_twice_as_much_takes_twice_as_long(client: Callable[[History, int], None]):
    counts: list[int] = []
    for size in (100, 200, 400):
        seen = History()
        for number in range(size):
            client(seen, number)
        counts.append(steps(seen.transcript))
    small, middle, large = counts
    assert small > 100 * 50, "hardly anything was looked at"
    # What grows with the square adds four times as much in the second step as in the first.
    assert large - middle < 2.6 * (middle - small)


def test_sessions_are_read_once():
    """Six rules look at sessions; each message is parsed for all of them together."""
    seen = History()
    for number in range(50):
        resuming(seen, number)
    parsed = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal parsed
        parsed += event == "call" and frame.f_code.co_name == "json_of"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        judge(seen.transcript)
    finally:
        sys.setprofile(before)
    assert parsed == 50 * 3
