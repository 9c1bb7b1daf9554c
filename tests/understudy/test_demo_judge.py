"""Each promise that does not hold shows in the row of its step, and only there."""

from dataclasses import replace
from decimal import Decimal

import pytest

from understudy.demo.judge import Evidence, judged
from understudy.demo.plan import Step
from understudy.messages import (
    BINARY,
    TEXT,
    Chunk,
    Close,
    Exchange,
    Frame,
    Request,
    Response,
    Session,
    Transcript,
)

STEP = Step("generate", "m", "gemini/generate", {"text": "hi"})
ASKED = Request("POST", "/v1/models/m:generateContent", ((b"x-goog-api-key", b"provider"),), b"{ }")
ANSWER = Response(200, ((b"X-Litellm-Call-Id", b"c1"),), (Chunk(b"{}", 1.0), Chunk(b"\n", 1.0)))


def exchange(started=0.0, ended=1.0, request=ASKED, response: Response | None = ANSWER):
    return Exchange(0, request, response, started, ended)


def session(frames, close=1000):
    handshake = Request("GET", "/ws", ())
    answer = ((b"x-litellm-call-id", b"c1"),)
    return Session(0, handshake, 101, frames, Close("client", close, "", 2.0), 0.0, 2.0, answer_headers=answer)


FRAMES = (Frame("client", TEXT, b"a", 0.1), Frame("server", BINARY, b"b", 0.4))


def evidence(**changes):
    whole = Evidence(
        session="gemini 3",
        step=STEP,
        result={"ok": True, "values": {"text": "hi", "more": 1}},
        client=Transcript((exchange(ended=1.5),)),
        upstream=Transcript((exchange(ended=1.0),)),
        elsewhere=Transcript(),
        spend=({"id": "c1", "cost": "0.01"}, {"id": "other", "cost": "9"}),
        key=b"sk-mine",
        expected_cost=Decimal("0.01"),
    )
    return replace(whole, **changes)


def test_a_step_that_held_has_no_problem():
    row = judged(evidence())
    assert row.problems == ()
    assert (row.is_same, row.is_key_upstream, row.cost) == (True, False, Decimal("0.01"))
    assert row.added_ms == pytest.approx(500)


def test_live_sessions_are_compared_and_timed_by_their_answered_frames():
    late = (FRAMES[0], replace(FRAMES[1], at=0.45))
    row = judged(evidence(client=Transcript((), (session(late),)), upstream=Transcript((), (session(FRAMES),))))
    assert row.problems == ()
    assert row.added_ms == pytest.approx(50)


LEAKY = replace(ASKED, headers=((b"x-other", b"Bearer sk-mine"),))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"result": {"ok": False, "error": {"code": 500}}}, "the client says {'code': 500}"),
        ({"result": {"ok": True, "values": {"text": "ho"}}}, "text: the client got 'ho', wanted 'hi'"),
        ({"upstream": Transcript((exchange(request=replace(ASKED, body=b"{}")),))}, "the request body differs"),
        ({"upstream": Transcript((exchange(response=replace(ANSWER, chunks=())),))}, "the answer's body differs"),
        ({"upstream": Transcript((exchange(response=replace(ANSWER, status=500)),))}, "status 200, upstream 500"),
        ({"client": Transcript((exchange(response=replace(ANSWER, complete=False)),))}, "the answer broke off"),
        ({"upstream": Transcript((exchange(response=None),))}, "no answer on one side"),
        ({"upstream": Transcript()}, "1 requests at the client, 0 at the provider"),
        ({"client": Transcript(), "upstream": Transcript()}, "nothing was recorded at the client"),
        ({"upstream": Transcript((exchange(request=LEAKY),))}, "the client's key was seen upstream"),
        ({"elsewhere": Transcript((exchange(request=LEAKY),))}, "the client's key was seen upstream"),
        ({"spend": ()}, "no spend record"),
        ({"spend": ({"id": "c1", "cost": None, "reason": "no price"},)}, "the cost is unknown: no price"),
        ({"spend": ({"id": "c1", "cost": "0.02"},)}, "cost 0.02, wanted 0.01"),
    ],
)
def test_a_broken_promise_is_named(changes, words):
    assert any(words in problem for problem in judged(evidence(**changes)).problems)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((FRAMES[0],), "the server's frames differ (1 at the client, 0 at the provider)"),
        ((FRAMES[0], replace(FRAMES[1], opcode=TEXT)), "the server's frames differ"),
        ((replace(FRAMES[0], payload=b"A"), FRAMES[1]), "the client's frames differ"),
    ],
)
def test_a_lost_retyped_or_changed_frame_is_named(frames, words):
    client, upstream = Transcript((), (session(FRAMES),)), Transcript((), (session(frames),))
    assert any(words in problem for problem in judged(evidence(client=client, upstream=upstream)).problems)


def test_a_swallowed_close_code_is_named():
    client, upstream = Transcript((), (session(FRAMES),)), Transcript((), (session(FRAMES, 1008),))
    assert (
        "close code 1000 at the client, 1008 at the provider"
        in judged(evidence(client=client, upstream=upstream)).problems
    )


def test_a_wanted_refusal_holds_when_the_client_raises_it_and_nothing_went_upstream():
    refused = Step("refused", "m", None, error={"code": 401})
    result = {"ok": False, "error": {"code": 401, "type": "ClientError"}}
    whole = evidence(step=refused, result=result, upstream=Transcript(), spend=(), expected_cost=Decimal(0))
    assert judged(whole).problems == ()
    assert judged(replace(whole, upstream=Transcript((exchange(),)))).problems == (
        "1 requests reached the provider, wanted none",
    )
