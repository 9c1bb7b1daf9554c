"""Verdicts about Live sessions: each misdeed alone, and its innocent twin."""

from typing import Any

import pytest
from history_builder import History

from understudy.client_verdicts.catalogue import judge

SETUP = {"setup": {"model": "models/gemini-2.0-flash-live-001", "sessionResumption": {}}}
DONE = {"setupComplete": {}}
ABORT = (
    "server",
    1008,
    "Connection aborted because the client failed to close the connection after receiving a GoAway",
)
OPENED = ((0.0, "client", SETUP), (0.1, "server", DONE))


def text(words: str) -> dict[str, object]:
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": words}]}], "turnComplete": True}}


def test_a_plain_session_is_right():
    seen = History()
    seen.session(0, *OPENED, (0.2, "client", text("hi")), (0.4, "server", {"serverContent": {}}), ended=1)
    assert seen.rules() == []


# ---- setup


def test_setup_is_not_awaited():
    seen = History()
    session = seen.session(0, (0, "client", SETUP), (0.01, "client", text("hi")), (0.1, "server", DONE), ended=1)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.sessions) == ("setup_not_awaited", "warned", (session,))
    assert verdict.why == "1 message before the answer to setup"


def test_a_second_setup():
    seen = History()
    seen.session(0, *OPENED, (2.1, "client", SETUP), ended=3, close=("server", 1007, "no"))
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("second_setup", "failed")
    assert verdict.why == "2 setup messages, the second 2.1 s after the first"


@pytest.mark.parametrize(
    "message", [{"realtimeInput": {"mediaChunks": [{}]}}, {"realtime_input": {"media_chunks": [{}]}}]
)
def test_media_chunks(message):
    seen = History()
    for at in (0, 10):
        seen.session(at, *OPENED, (0.2, "client", message), (0.3, "client", message), ended=1)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.sessions) == ("deprecated_media_chunks", "warned", (1, 2))
    assert verdict.why == "2 messages with mediaChunks (2 sessions); 3.x models close with 1007"


# ---- function calls

CALL = {"toolCall": {"functionCalls": [{"id": "c1", "name": "lights", "args": {}}]}}


def answer(**fields: object) -> dict[str, object]:
    return {"tool_response": {"function_responses": [fields | {"response": {}}]}}


def test_a_call_is_not_answered():
    seen = History()
    seen.session(0, *OPENED, (1, "server", CALL), (2, "client", text("Well?")), ended=3)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("unanswered_tool_call", "failed")
    assert verdict.why == "'lights' was called, and 1 turn of the client later there was no toolResponse"


def test_a_call_is_not_answered_for_a_minute():
    seen = History()
    seen.session(0, *OPENED, (1, "server", CALL), ended=70)
    assert seen.rules() == ["unanswered_tool_call"]


@pytest.mark.parametrize("fields", [{"id": "c1", "name": "lights"}, {"name": "lights"}], ids=str)
def test_a_call_is_answered(fields):
    seen = History()
    seen.session(
        0, *OPENED, (1, "server", CALL), (2, "client", answer(**fields)), (3, "client", text("Well?")), ended=99
    )
    assert seen.rules() == []


def test_an_answer_to_another_call_is_none():
    seen = History()
    seen.session(0, *OPENED, (1, "server", CALL), (2, "client", answer(id="c0", name="lights")), ended=99)
    assert seen.rules() == ["unanswered_tool_call"]


def test_a_call_is_taken_back():
    seen = History()
    cancelled = {"toolCallCancellation": {"ids": ["c1"]}}
    seen.session(0, *OPENED, (1, "server", CALL), (2, "server", cancelled), (3, "client", text("Well?")), ended=99)
    assert seen.rules() == []


@pytest.mark.parametrize(
    "setup",
    [
        {"model": "models/gemini-3.8-live"},
        {"model": "m", "tools": [{"function_declarations": [{"name": "lights", "behavior": "NON_BLOCKING"}]}]},
    ],
    ids=str,
)
def test_who_does_not_block_may_be_answered_any_time(setup):
    seen = History()
    asked = (2, "client", text("Well?"))
    seen.session(0, (0, "client", {"setup": setup}), (0.1, "server", DONE), (1, "server", CALL), asked, ended=99)
    assert seen.rules() == []


def test_a_session_may_end_with_a_call():
    seen = History()
    seen.session(0, *OPENED, (1, "server", CALL), ended=2)
    assert seen.rules() == []


def test_a_session_under_way_may_still_answer():
    seen = History()
    seen.session(0, *OPENED, (1, "server", CALL), (2, "client", text("Well?")), close=None)
    assert judge(seen.transcript, now=99.0) == ()
    assert [verdict.rule for verdict in judge(seen.transcript)] == ["unanswered_tool_call"]


# ---- goAway


def go_away(at: float, left: str = "50s") -> tuple[float, str, object]:
    return at, "server", {"goAway": {"timeLeft": left}}


def test_a_session_is_aborted():
    seen = History()
    session = seen.session(0, *OPENED, go_away(540), ended=590.8, close=ABORT)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.sessions) == ("goaway_ignored", "failed", (session,))
    assert verdict.why == "aborted 50.8 s after goAway, which left 50 s"


def test_a_session_goes_on():
    seen = History()
    seen.session(0, *OPENED, go_away(1, "2s"), (9, "client", text("hi")), close=None)
    assert [verdict.rule for verdict in judge(seen.transcript, now=9.0)] == ["goaway_ignored"]
    assert judge(seen.transcript, now=2.9) == ()


def test_who_closes_in_time_is_right():
    seen = History()
    seen.session(0, *OPENED, go_away(540), ended=589)
    seen.session(600, *OPENED, go_away(10), ended=60.3)
    assert seen.rules() == []


@pytest.mark.parametrize(("left", "after"), [("50s", 0.2), ("50s", 20), ("0s", 0.5), ("0.2s", 0.8), ("x", 0.9)])
def test_who_had_no_time_is_not_accused(left, after):
    seen = History()
    seen.session(0, *OPENED, go_away(5, left), ended=5 + after, close=ABORT)
    assert seen.rules() == []


# ---- resumption


def given(at: float, handle: str, resumable: bool = True) -> tuple[float, str, object]:
    return at, "server", {"sessionResumptionUpdate": {"newHandle": handle, "resumable": resumable}}


def resume(seen: History, at: float, handle: str, *frames: tuple[float, str, object], **how: Any) -> int:
    setup = {"setup": {"model": "m", "session_resumption": {"handle": handle}}}
    return seen.session(at, (0, "client", setup), (0.1, "server", DONE), *frames, **{"ended": 1.0, **how})


def test_an_older_handle():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), given(2, "h2"), given(3, "h3"), ended=8)
    late = resume(seen, 10, "h1")
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.sessions) == ("stale_handle", "failed", (late,))
    assert verdict.why == "a handle that 2 newer ones have taken the place of"


def test_a_handle_of_an_earlier_leg():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), ended=8)
    resume(seen, 10, "h1", given(1, "h2"), ended=5)
    resume(seen, 20, "h1")
    [verdict] = seen.verdicts()
    assert verdict.why == "a handle that 1 newer one has taken the place of"


def test_the_latest_handle_is_right():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), given(2, "h2"), given(9.5, "", False), ended=8)
    resume(seen, 10, "h2", given(1, "h3"), ended=5)
    resume(seen, 20, "h3")
    assert seen.rules() == []


def test_a_handle_that_came_too_late_to_be_read():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), given(7.9, "h2"), ended=8)
    resume(seen, 8.1, "h1")
    assert seen.rules() == []


def test_what_could_not_be_resumed_is_no_newer_handle():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), given(2, "h2", resumable=False), ended=8)
    resume(seen, 10, "h1")
    assert seen.rules() == []


def test_a_handle_of_yesterday():
    seen = History()
    seen.session(0, *OPENED, given(1, "h1"), ended=8)
    resume(seen, 9000, "h1")
    [verdict] = seen.verdicts()
    assert verdict.why == "a handle 8992 s after the end of its session"


def test_a_refused_handle_comes_again():
    seen = History()
    refusal = ("server", 1008, "BidiGenerateContent session not found")
    seen.session(0, *OPENED, given(1, "h1"), ended=8)
    resume(seen, 10, "h1", close=refusal)
    assert seen.rules() == []
    resume(seen, 20, "h1", close=refusal)
    assert [verdict.why for verdict in seen.verdicts()] == ["a handle that had been refused already"]


def test_a_handle_of_another_simulator_is_not_known():
    seen = History()
    resume(seen, 0, "h-from-elsewhere")
    assert seen.rules() == []


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"setup": []},
        {"toolCall": {"functionCalls": [3]}},
        {"goAway": None},
        {"sessionResumptionUpdate": "x"},
        "goAway",
    ],
    ids=str,
)
def test_odd_messages_do_no_harm(value):
    seen = History()
    seen.session(0, *OPENED, (1, "client", value), (2, "server", value), ended=200)
    assert "second_setup" not in seen.rules() or value == {"setup": []}


# ---- the end

GONE = ("server", 1011, "Internal error encountered.")


def left(seen: History, after: float, **how: Any) -> int:
    """A session that the server closes after 5 s, and whose connection ends so long after that."""
    words: dict[str, Any] = {"close": GONE} | how
    return seen.session(0, *OPENED, ended=5, lingers=after, **words)


def test_a_connection_is_left_open():
    seen = History()
    first, second = left(seen, 10), left(seen, 10)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.sessions) == ("session_left_open", "warned", (first, second))
    assert verdict.why == "10 s after the server's close it had neither answered nor left (2 sessions)"


@pytest.mark.parametrize(
    ("after", "how"), [(8.9, {}), (0, {}), (10, {"close": ("client", 1000, "")}), (10, {"faults": ("hang",)})], ids=str
)
def test_who_answers_a_close_or_is_held_is_right(after, how):
    seen = History()
    left(seen, after, **how)
    assert seen.rules() == []


def test_who_is_still_there_is_told_so():
    seen = History()
    seen.session(0, *OPENED, close=GONE)
    assert judge(seen.transcript, now=8.0) == ()
    assert [verdict.rule for verdict in judge(seen.transcript, now=9.5)] == ["session_left_open"]
