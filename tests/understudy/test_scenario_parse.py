"""Documents become scenarios, or all their mistakes are told at once."""

# ruff: noqa: E501 - in the tables of mistakes each stands on one line

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.documents import document_of, scenarios_folder
from understudy.errors import ScenarioError
from understudy.messages import BINARY, TEXT
from understudy.scenario.criteria import CallRange, Match
from understudy.scenario.layout import SLOTS, json_text
from understudy.scenario.model import (
    EMPTY,
    Branch,
    Call,
    Case,
    CloseSession,
    Download,
    Fault,
    FilmWords,
    OperationError,
    OperationResponse,
    Pause,
    Payload,
    Poll,
    Receive,
    ReceiveUntil,
    Repeat,
    Reply,
    Retry,
    Send,
    SendAudio,
    Slot,
    Start,
    StartOperation,
    Stream,
    StreamChunk,
    Videos,
)
from understudy.scenario.parse import MAX_NODES, parse_scenario
from understudy.surfaces import Surface

LIVE = {"title": "t", "surface": "gemini-live", "model": "m"}
HTTP = {"title": "t", "surface": "gemini", "model": "m"}
VEO = {"title": "t", "surface": "vertex-veo", "model": "m"}


def read(document: dict[str, Any], server: list[Any], **words: Any):
    return parse_scenario({**document, "server": server, **words}, id="a/b")


def mistakes(document: object, **words: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(document, id="a/b", source="f", **words)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def only_step(document: dict[str, Any], step: dict[str, Any]):
    [found] = read(document, [step]).server
    return found


def only_client_step(document: dict[str, Any], server: dict[str, Any], *steps: dict[str, Any]):
    return read(document, [server], client=list(steps)).client[-1]


def raw(data: bytes, kind: Any = "json") -> Payload:
    return Payload((data,), kind)


# ---- each step word


def test_steps_of_a_session():
    assert only_step(LIVE, {"receive": {"json": {"a": 1}, "min_bytes": 5, "within": "2s"}}) == Receive(
        {"a": 1}, min_bytes=5, within_s=2.0
    )
    assert only_step(LIVE, {"receive": "close"}) == Receive(close=True)
    assert only_step(LIVE, {"receive": "any"}) == Receive() == only_step(LIVE, {"receive": {"any": True}})
    assert only_step(LIVE, {"send": {"json": {"a": "é<"}}}) == Send(raw('{"a":"é<"}'.encode()))
    assert only_step(LIVE, {"send": {"text": "{ }"}, "fault": {"slice": 2}}) == Send(
        raw(b"{ }", "text"), fault=Fault("slice", size=2)
    )
    assert only_step(LIVE, {"send": {"base64": "AAH/", "opcode": "text"}}) == Send(raw(b"\0\1\xff", "bytes"), TEXT)
    assert only_step(LIVE, {"pause": "120ms"}) == Pause(0.12)
    assert only_step(LIVE, {"close": {"code": 1008, "reason": "no"}}) == CloseSession(1008, "no")
    assert only_step(LIVE, {"close": {}}) == CloseSession() and only_step(
        LIVE, {"close": {"code": None}}
    ) == CloseSession(None)
    assert only_step(LIVE, {"fault": {"stall": "5s"}}) == Fault("stall", seconds=5)
    assert only_step(LIVE, {"fault": {"reset_peer": True}}) == Fault("reset_peer")


def test_the_default_opcode_is_binary_unless_the_document_says_otherwise():
    server = [
        {"send": {"json": 1}},
        {"send": {"json": 1, "opcode": "binary"}},
        {"send_audio": {"silence": True, "duration": "1s"}},
    ]
    steps = read(LIVE, server, defaults={"opcode": "text"}).server
    assert [getattr(step, "opcode", None) for step in steps] == [TEXT, BINARY, TEXT]
    assert getattr(only_step(LIVE, server[0]), "opcode", None) == BINARY


def test_audio():
    tone = {"send_audio": {"tone_hz": 440, "duration": "1s", "frame": "20ms", "pace": "realtime", "rate_hz": 24000}}
    assert only_step(LIVE, {**tone, "interrupt_on": {"json": {"a": 1}}}) == SendAudio(
        1.0, 0.02, 24000, 440.0, pace=1.0, interrupt_on={"a": 1}
    )
    silence = {"send_audio": {"silence": True, "duration": "2s", "pace": 2.5}}
    assert only_step(LIVE, silence) == SendAudio(2.0, tone_hz=0.0, pace=2.5)
    document = {**LIVE, "server": [{"send_audio": {"file": "a.pcm"}}]}
    [step] = parse_scenario(document, id="x", file_reader=lambda name: b"\1\0" * 24000).server
    assert step == SendAudio(1.0, tone_hz=0.0, pcm=b"\1\0" * 24000)


def test_repeat_and_branch():
    assert only_step(LIVE, {"repeat": {"steps": [{"pause": "1s"}], "times": 2}}) == Repeat((Pause(1),), 2)
    assert only_step(LIVE, {"repeat": {"steps": [{"pause": "1s"}]}}) == Repeat((Pause(1),), None)
    cases = [{"match": {"json": {"a": 1}}, "steps": [{"close": {}}]}]
    assert only_step(LIVE, {"branch": {"cases": cases, "otherwise": [{"pause": "1s"}]}}) == Branch(
        (Case({"a": 1}, (CloseSession(),)),), (Pause(1),)
    )


def test_a_reply_is_laid_out_as_google_does():
    reply = {"reply": {"json": {"a": ["<é>", {}, []]}, "headers": {"X-A": "1", "x-b": ["2", "3"]}}, "times": 3}
    body = '{\n  "a": [\n    "\\u003cé\\u003e",\n    {},\n    []\n  ]\n}\n'.encode()
    fields = ((b"X-A", b"1"), (b"x-b", b"2"), (b"x-b", b"3"))
    assert only_step(HTTP, {**reply, "fault": {"truncate": 4}}) == Reply(
        200, fields, raw(body), 3, Fault("truncate", size=4)
    )
    assert only_step(HTTP, {"reply": {"json": {}}}) == Reply(200, (), raw(b"{}\n"))
    assert only_step(HTTP, {"reply": {"json": {"a": 1}, "layout": "compact"}}) == Reply(200, (), raw(b'{"a":1}'))
    assert only_step(HTTP, {"reply": {"status": 204}}) == Reply(204, (), EMPTY)


def test_a_stream_is_laid_out_as_google_does():
    chunks = [
        {"json": {"a": [1, 2], "b": "x"}},
        {"pause": "30ms"},
        {"raw": {"text": "{"}},
        {"fault": {"reset_peer": True}},
        {"text": "odd"},
    ]
    assert only_step(HTTP, {"stream": {"chunks": chunks, "framing": "sse"}}) == Stream(
        (
            StreamChunk(raw(b'{"a": [1,2],"b": "x"}')),
            Pause(0.03),
            StreamChunk(raw(b"{", "text"), framed=False),
            Fault("reset_peer"),
            StreamChunk(raw(b"odd", "text")),
        ),
        framing="sse",
    )


def test_operations():
    assert only_step(VEO, {"operation": {"then": {"videos": 2}}}) == StartOperation(Videos(2))
    error = {"running_polls": 3, "then": {"error": {"code": 3, "message": "no"}}}
    assert only_step(VEO, {"operation": error}) == StartOperation(OperationError(3, "no"), 3)
    film = {"size": "640x360", "duration": "1.5s", "rate": 30, "sound": False}
    then = {"videos": 1, "filtered": 2, "reasons": ["why"], "film": film}
    timed = {"running_for": "90s", "gone_after": "1m", "then": then}
    assert only_step(VEO, {"operation": timed}) == StartOperation(
        Videos(1, 2, ("why",), FilmWords((640, 360), 1.5, 30, False)), 0, 90.0, 60.0
    )
    failing = only_step(VEO, {"operation": {"failing_polls": 2, "poll_error": "overloaded", "then": {"videos": 1}}})
    assert isinstance(failing, StartOperation) and failing.failure is not None
    assert (failing.failing_polls, failing.failure.status, failing.failure.is_error) == (2, 503, True)
    assert only_step(VEO, {"operation": {"then": {"response": {"a": 1}}}}) == StartOperation(
        OperationResponse({"a": 1})
    )


def test_steps_of_a_client():
    reply, operation = {"reply": {}}, {"operation": {"then": {"videos": 1}}}
    call = {
        "call": {"json": {"a": 1}, "headers": {"x-a": "1"}, "query": {"alt": "sse", "b": "c d"}, "http_method": "GET", "path": "/p"},
        "retry": {"on": [429, 503], "wait": "2s", "at_most": 2},
    }  # fmt: skip
    assert only_client_step(HTTP, reply, call) == Call(
        payload=raw(b'{"a":1}'), headers=((b"x-a", b"1"),), query="alt=sse&b=c+d", http_method="GET", path="/p",
        retry=Retry((429, 503), 2, 2.0),
    )  # fmt: skip
    assert only_client_step(
        HTTP, reply, {"call": {}, "retry": {"on": [429], "wait": "retry_info", "at_most": 1}}
    ) == Call(retry=Retry((429,), 1, None))
    start = {"start": {"json": {"a": 1}}}
    assert only_client_step(VEO, operation, start) == Start(raw(b'{"a":1}'))
    assert only_client_step(VEO, operation, start, {"poll": {"every": "10s", "at_most": 6}}) == Poll(10.0, 6)
    assert only_client_step(VEO, operation, start, {"download": {}}) == Download()
    until = {"receive_until": {"json": {"a": 1}, "within": "1m"}}
    assert only_client_step(LIVE, {"pause": "1s"}, until) == ReceiveUntil({"a": 1}, 60.0)


def test_both_sides_of_a_session_may_let_messages_pass_and_drop_the_connection():
    for one in (only_step, lambda surface, step: only_client_step(surface, {"pause": "1s"}, step)):
        assert one(LIVE, {"receive_until": {"json": {"a": 1}}}) == ReceiveUntil({"a": 1})
        assert one(LIVE, {"receive_until": "close"}) == ReceiveUntil(close=True)
        closed = {"receive_until": {"close": True, "within": "2s"}}
        assert one(LIVE, closed) == ReceiveUntil(within_s=2.0, close=True)
        assert one(LIVE, {"drop": True}) == Fault("reset_peer")


@pytest.mark.parametrize(
    ("left", "written"), [("50s", "50s"), ("9.5s", "9.5s"), ("20ms", "0.02s"), ("1440m", "86400s")]
)
def test_a_warning_that_the_session_ends_is_googles_message(left: str, written: str):
    said = f'{{"goAway":{{"timeLeft":"{written}"}}}}'.encode()
    assert only_step(LIVE, {"go_away": {"time_left": left}}) == Send(raw(said))
    [step] = read(LIVE, [{"go_away": {"time_left": left}}], defaults={"opcode": "text"}).server
    assert step == Send(raw(said), TEXT)


def test_slots_become_places_to_be_filled():
    step = only_step(LIVE, {"send": {"json": {"m": "{{model}}", "o": "a{{ operation }}b", "brace": "{{}} {x}"}}})
    assert isinstance(step, Send)
    assert step.payload.pieces == (
        b'{"m":"', Slot("model"), b'","o":"a', Slot("operation"), b'b","brace":"{{}} {x}"}',
    )  # fmt: skip
    assert json.loads(step.payload.fill({"model": 'a"\n', "operation": "op"})) == {
        "m": 'a"\n', "o": "aopb", "brace": "{{}} {x}",
    }  # fmt: skip


def test_match_is_the_scenarios_own_surface_and_model_unless_it_says_otherwise():
    assert read(HTTP, [{"reply": {}}]).match == Match((Surface.GEMINI,), model="m")
    words = {"surface": ["gemini", "vertex"], "model": "*", "method": "countTokens", "path": "/v1*", "headers": {"X-A": "1"},
             "query": {"a": "b"}, "json": {"c": 1}, "last_text": "hi*", "call": {"from": 2}, "scope": "s"}  # fmt: skip
    assert read(HTTP, [{"reply": {}}], match=words).match == Match(
        (Surface.GEMINI, Surface.VERTEX), "countTokens", "*", "/v1*", (("x-a", "1"),), (("a", "b"),), {"c": 1}, "hi*",
        CallRange(2), "s",
    )  # fmt: skip
    assert read(HTTP, [{"reply": {}}], match={"call": 2, "surface": "vertex"}).match.call == CallRange(2, 2)


# ---- google.rpc.Status


def status_body(details: list[Any], **words: Any) -> Any:
    step = only_step(
        HTTP, {"reply": {"rpc_status": {"code": "RESOURCE_EXHAUSTED", "message": "m", "details": details}, **words}}
    )
    assert isinstance(step, Reply)
    return step.status, json.loads(step.payload.fill({}))


def test_rpc_status_takes_its_http_status_from_the_code_unless_told():
    error = {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}
    assert status_body([]) == (429, {"error": error})
    assert status_body([], status=503) == (503, {"error": {**error, "code": 503}})


def test_every_detail_of_rpc_status():
    details = [
        {"retry_info": {"retry_delay": "25.465784708s"}},
        {"quota_failure": {"quota_id": "q", "quota_metric": "m", "quota_dimensions": {"a": "b"}, "quota_value": "10"}},
        {"quota_failure": {"violations": [{"quota_id": "a"}, {"quota_id": "b"}]}},
        {"help": {"links": [{"description": "d", "url": "https://u"}]}},
        {"error_info": {"reason": "R", "metadata": {"service": "s"}}},
        {"localized_message": {"message": "l"}},
        {"bad_request": {"field_violations": [{"description": "d"}, {"field": "f", "description": "e"}]}},
    ]
    found = status_body(details)[1]["error"]["details"]
    kinds = ["RetryInfo", "QuotaFailure", "QuotaFailure", "Help", "ErrorInfo", "LocalizedMessage", "BadRequest"]
    assert [detail.pop("@type") for detail in found] == [f"type.googleapis.com/google.rpc.{kind}" for kind in kinds]
    assert found == [
        {"retryDelay": "25.465784708s"},
        {"violations": [{"quotaMetric": "m", "quotaId": "q", "quotaDimensions": {"a": "b"}, "quotaValue": "10"}]},
        {"violations": [{"quotaId": "a"}, {"quotaId": "b"}]},
        {"links": [{"description": "d", "url": "https://u"}]},
        {"reason": "R", "domain": "googleapis.com", "metadata": {"service": "s"}},
        {"locale": "en-US", "message": "l"},
        {"fieldViolations": [{"description": "d"}, {"field": "f", "description": "e"}]},
    ]


# ---- mistakes


def test_all_mistakes_are_told_at_once_with_line_path_and_nearest_word():
    text = """\
id: a/b
title: 5
surface: gemini-live
model: m
server:
  - send: {jsn: {a: 1}}
  - sned: {}
  - pause: 120
  - send: {text: "{{modle}}"}
    times: 2
client:
  - reply: {}
  - call: {json: 1}
expect:
  cost: 0.1
"""
    document, lines = document_of(text, "f.yaml")
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(document, id="a/b", source="f.yaml", lines=lines)
    assert str(caught.value).splitlines() == [
        "f.yaml:2: title: input should be a valid string; found 5",
        "f.yaml:6: server[0].send: unknown key 'jsn' (did you mean 'json'?)",
        "f.yaml:7: server[1]: unknown key 'sned' (did you mean 'send'?)",
        "f.yaml:8: server[2].pause: a duration is a number with its unit, like 120ms, 2s or 1m; found 120",
        "f.yaml:9: server[3].send: unknown slot '{{modle}}' (did you mean 'model'?)",
        "f.yaml:10: server[3].times: 'times' stands beside reply or stream or error, not beside send",
        "f.yaml:12: client[0].reply: 'reply' is a step of the server",
        "f.yaml:13: client[1].call: 'call' does not fit surface gemini-live",
        'f.yaml:15: expect.cost: money is a decimal in quotes, like "0.000016"; found 0.1',
    ]


@pytest.mark.parametrize(
    ("document", "server", "told"),
    [
        (LIVE, [], "server: must not be empty"),
        (LIVE, [{}], "server[0]: a step has exactly one step word; found none"),
        (LIVE, [{"pause": "1s", "close": {}}], "server[0]: a step has exactly one step word; found pause and close"),
        (LIVE, [{"send": None}], "server[0].send: 'send' is empty"),
        (LIVE, [{"send": {}}], "server[0].send: a body needs exactly one of json, text, base64, file; found none of them"),
        (LIVE, [{"send": {"json": 1, "text": ""}}], "found both json and text"),
        (LIVE, [{"send": {"base64": "a"}}], "server[0].send.base64: this is no base64"),
        (LIVE, [{"send": {"file": "../x"}}], "server[0].send.file: every part is made of letters"),
        (LIVE, [{"send": {"file": "x"}}], "server[0].send: a scenario that came without a folder names no files"),
        (LIVE, [{"send": {"json": {"a": ["{{scop}}"]}}}], "unknown slot '{{scop}}' (did you mean 'scope'?)"),
        (LIVE, [{"send": {"json": 1, "opcode": "txt"}}], "server[0].send.opcode: wanted 'text' or 'binary'; found 'txt' (did you mean 'text'?)"),
        (LIVE, [{"pause": "2"}], "server[0].pause: a duration is a number with its unit"),
        (LIVE, [{"pause": "2d"}], "server[0].pause: a duration is a number with its unit"),
        (LIVE, [{"pause": "1441m"}], "at most a day"),
        (LIVE, [{"close": {"code": 1006}}], "1006 is no close code that can be sent"),
        (LIVE, [{"close": {"reason": "é" * 62}}], "at most 123 bytes"),
        (LIVE, [{"close": {"code": None, "reason": "x"}}], "without a code has no reason"),
        (LIVE, [{"receive": {"within": "1s"}}], "receive needs exactly one of json, close, any"),
        (LIVE, [{"receive": "cloes"}], "server[0].receive: a mapping is wanted here; found 'cloes'"),
        (LIVE, [{"receive_until": {"json": 1, "close": True}}], "receive_until needs exactly one of json, close; found both"),
        (LIVE, [{"receive_until": {"within": "1s"}}], "receive_until needs exactly one of json, close; found none"),
        (LIVE, [{"receive_until": "any"}], "server[0].receive_until: a mapping is wanted here; found 'any'"),
        (LIVE, [{"receive_until": "close"}, {"send": {"json": 1}}], "server[1]: the session is closed here"),
        (LIVE, [{"drop": False}], "server[0].drop: wanted True"),
        (LIVE, [{"go_away": {}}], "server[0].go_away: 'time_left' is missing"),
        (LIVE, [{"go_away": {"time_left": 50}}], "server[0].go_away.time_left: a duration is a number with its unit"),
        (HTTP, [{"go_away": {"time_left": "50s"}}], "server[0].go_away: 'go_away' does not fit surface gemini"),
        (HTTP, [{"drop": True}], "server[0].drop: 'drop' does not fit surface gemini"),
        (HTTP, [{"receive_until": "close"}], "server[0].receive_until: 'receive_until' does not fit surface gemini"),
        (LIVE, [{"fault": {"latency": "1s", "stall": "1s"}}], "a fault needs exactly one of"),
        (LIVE, [{"fault": {"slice": 3}}], "server[0].fault: this fault stands beside a send, reply or stream"),
        (LIVE, [{"pause": "1s", "interrupt_on": {"json": 1}}], "'interrupt_on' stands beside send_audio, not beside pause"),
        (LIVE, [{"send_audio": {"tone_hz": 1, "silence": True, "duration": "1s"}}], "found both tone_hz and silence"),
        (LIVE, [{"send_audio": {"tone_hz": 440}}], "send_audio needs a duration"),
        (LIVE, [{"send_audio": {"silence": True, "duration": "61m"}}], "the audio at most 60m"),
        (LIVE, [{"repeat": {"steps": []}}], "server[0].repeat.steps: must not be empty"),
        (LIVE, [{"repeat": {"steps": [{"reply": {}}, {"operation": {"then": {"videos": 1}}}]}}], "server[0].repeat.steps[1].operation: 'operation' does not fit surface gemini-live"),
        (LIVE, [{"branch": {"cases": [{"match": {"json": 1}, "steps": []}], "otherwise": [{"stream": {"chunks": []}}]}}], "server[0].branch.otherwise[0].stream: 'stream' does not fit surface gemini-live"),
        (LIVE, [{"branch": {"cases": [{"match": {"json": 1}, "steps": [{"stream": {"chunks": []}}]}]}}], "server[0].branch.cases[0].steps[0].stream: 'stream' does not fit surface gemini-live"),
        (LIVE, [{"stream": {"chunks": []}}], "server[0].stream: 'stream' does not fit surface gemini-live"),
        (LIVE, [{"pause": "1s"}, {"reply": {"status": 503}}], "a reply refuses the handshake: it comes first"),
        (LIVE, [{"reply": {"status": 503}}, {"pause": "1s"}], "server[1]: nothing can follow a reply that refuses the handshake"),
        (LIVE, [{"receive": "close"}, {"send": {"json": 1}}], "server[1]: the session is closed here"),
        (HTTP, [{"send": {"json": 1}}], "server[0].send: 'send' does not fit surface gemini"),
        (HTTP, [{"call": {}}], "server[0].call: 'call' is a step of the client"),
        (HTTP, [{"reply": {"status": 100}}], "server[0].reply.status: input should be greater than or equal to 200"),
        (HTTP, [{"reply": {"status": "200"}}], "server[0].reply.status: input should be a valid integer; found '200'"),
        (HTTP, [{"reply": {"status": True}}], "server[0].reply.status: input should be a valid integer; found True"),
        (HTTP, [{"reply": {}, "times": 0}], "server[0].times: input should be greater than or equal to 1"),
        (HTTP, [{"reply": {"headers": {"a b": "c"}}}], "'a b' is no header name"),
        (HTTP, [{"reply": {"headers": {"a": "c\r\nd: e"}}}], "the value of 'a' is no header text"),
        (HTTP, [{"reply": {"headers": {"a": 1}}}], "the value of 'a' is no header text"),
        (HTTP, [{"reply": {"json": 1, "rpc_status": {"code": "INTERNAL", "message": ""}}}], "found both json and rpc_status"),
        (HTTP, [{"reply": {"rpc_status": {"code": "INTERNL", "message": ""}}}], "unknown code 'INTERNL' (did you mean 'INTERNAL'?)"),
        (HTTP, [{"reply": {"rpc_status": {"code": "INTERNAL"}}}], "server[0].reply.rpc_status: 'message' is missing"),
        (HTTP, [{"reply": {"rpc_status": {"code": "INTERNAL", "message": "", "details": [{"retry": {}}]}}}], "details[0]: unknown key 'retry' (did you mean 'retry_info'?)"),
        (HTTP, [{"reply": {"rpc_status": {"code": "INTERNAL", "message": "", "details": [{"retry_info": {"retry_delay": "2m"}}]}}}], "retry_delay is a proto Duration"),
        (HTTP, [{"stream": {"chunks": [{"jsn": 1}]}}], "server[0].stream.chunks[0]: unknown key 'jsn' (did you mean 'json'?)"),
        (HTTP, [{"stream": {"chunks": [], "framing": "see"}}], "found 'see' (did you mean 'sse'?)"),
        (HTTP, [{"operation": {"then": {"videos": 1}}}], "'operation' does not fit surface gemini"),
        (VEO, [{"operation": {"then": {"videos": 1, "error": {"code": 1, "message": ""}}}}], "the end of an operation needs exactly one of"),
        (VEO, [{"operation": {"then": {"videos": 0}}}], "an operation that delivers no video has some filtered"),
        (VEO, [{"operation": {"then": {"response": {}, "filtered": 1}}}], "filtered stands beside videos"),
        (VEO, [{"operation": {"then": {"error": {"code": 3, "message": ""}, "film": {}}}}], "film stands beside videos"),
        (VEO, [{"operation": {"then": {"videos": 1, "reasons": ["x"]}}}], "reasons stand beside filtered"),
        (VEO, [{"operation": {"then": {"videos": 1, "film": {"size": "641x360"}}}}], "both sides of a film are even numbers from 16 to 4096"),
        (VEO, [{"operation": {"then": {"videos": 1, "film": {"size": "640x9998"}}}}], "both sides of a film are even numbers from 16 to 4096"),
        (VEO, [{"operation": {"then": {"videos": 1, "film": {"size": "big"}}}}], "server[0].operation.then.film.size"),
        (VEO, [{"operation": {"then": {"videos": 1, "film": {"duration": "0s"}}}}], "a film is longer than nothing and at most 600 seconds long"),
        (VEO, [{"operation": {"then": {"videos": 1, "film": {"duration": "11m"}}}}], "a film is longer than nothing and at most 600 seconds long"),
        (VEO, [{"operation": {"failing_polls": 2, "then": {"videos": 1}}}], "failing_polls and poll_error stand together"),
        (VEO, [{"operation": {"running_for": "soon", "then": {"videos": 1}}}], "a duration is a number with its unit"),
        (VEO, [{"operation": {"then": {"error": {"code": 429, "message": ""}}}}], "server[0].operation.then.error.code: input should be less than or equal to 16"),
        (VEO, [{"stream": {"chunks": []}}], "'stream' does not fit surface vertex-veo"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_server_is_told(document: dict[str, Any], server: list[Any], told: str):
    [found] = mistakes({**document, "server": server})
    assert told in found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"surface": "vertex-livee"}, "surface: unknown surface 'vertex-livee' (did you mean 'vertex-live'?)"),
        ({"seed": "1"}, "seed: input should be a valid integer; found '1'"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0"),
        ({"titel": "x"}, ": unknown key 'titel' (did you mean 'title'?)"),
        ({"title": ""}, "title: string should have at least 1 character"),
        ({"id": "other"}, "id: the id is 'a/b', after the file's place; found 'other'"),
        ({"id": "../x"}, "id: every part is made of letters"),
        ({"match": {"surface": "gemini-live"}}, "match.surface: surface gemini-live cannot be answered by a scenario of"),
        ({"match": {"modl": "x"}}, "match: unknown key 'modl' (did you mean 'model'?)"),
        ({"model": "models/gemini-2.5-flash"}, "model: the model id stands alone, without what is before the last '/': 'gemini-2.5-flash'"),
        ({"match": {"model": "publishers/*/models/m"}}, "match.model: the model id stands alone"),
        ({"match": {"path": "v1beta/models"}}, "match.path: a path begins with '/' (or '*'); found 'v1beta/models'"),
        ({"match": {"scope": "two words"}}, "match.scope: a scope is made of letters, digits, '.', '_' and '-'; found 'two words'"),
        ({"client": [{"call": {}, "retry": {"on": [429], "at_most": 1, "wait": "2"}}]}, "client[0].retry.wait: wanted 'retry_info'; found '2', or a duration is a number with its unit"),
        ({"match": {"call": 0}}, "match.call: input should be greater than or equal to 1"),
        ({"match": {"call": {"from": 3, "to": 2}}}, "match.call: 'to' comes before 'from'"),
        ({"expect": {"cost": 1}}, "expect.cost: money is a decimal in quotes"),
        ({"expect": {"cost": "1e-5"}}, "expect.cost: money is a decimal in quotes"),
        ({"expect": {"frames": "unchanged"}}, "expect.frames: 'frames' does not fit surface gemini"),
        ({"expect": {"usage": {"prompt": {"txt": 1}}}}, "expect.usage.prompt.txt"),
        ({"client": [{"poll": {"every": "1s", "at_most": 1}}]}, "client[0].poll: 'poll' does not fit surface gemini"),
        ({"client": [{"call": {"path": "x"}}]}, "client[0].call: a path starts with '/'"),
        ({"client": [{"call": {}, "retry": {"on": [429]}}]}, "client[0].retry: 'at_most' is missing"),
        ({"client": [{"call": {}, "fault": {"latency": "1s"}}]}, "client[0].fault: 'fault' stands beside send, not beside call"),
        ({"server": {"reply": {}}}, "server: a list is wanted here; found a mapping"),
        ({"server": ["reply"]}, "server[0]: a mapping is wanted here; found 'reply'"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_document_is_told(words: dict[str, Any], told: str):
    found = mistakes({**HTTP, "server": [{"reply": {}}], **words})
    assert len(found) == 1 and told in found[0]


def test_a_live_scenario_is_not_chosen_by_a_text_that_comes_later():
    [found] = mistakes({**LIVE, "server": [{"receive": "any"}], "match": {"last_text": "*hello*"}})
    assert found.startswith("match.last_text: a Live scenario is chosen by the setup message")


def test_polls_and_downloads_come_after_a_start():
    client = [{"download": {}}, {"poll": {"every": "1s", "at_most": 1}}, {"start": {"json": 1}}]
    assert mistakes({**VEO, "server": [{"operation": {"then": {"videos": 1}}}], "client": client}) == [
        "client[0].download: 'download' comes before any start",
        "client[1].poll: 'poll' comes before any start",
    ]


def test_the_surface_must_be_known_and_title_model_and_server_there():
    assert mistakes({}) == [f": '{word}' is missing" for word in ("title", "surface", "model", "server")]


@pytest.mark.parametrize("document", [None, 5, "x", [], [{}], {1: 2}, {"a": {None: 1}}])
def test_a_document_is_a_mapping_with_texts_as_keys(document: object):
    assert len(mistakes(document)) == 1


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2**64, "\ud800", b"x", {1, 2}, (1,), object()])
def test_values_that_json_cannot_carry_are_refused(value: object):
    [told] = mistakes({**LIVE, "server": [{"send": {"json": {"a": value}}}]})
    assert told.startswith("server[0].send.json.a: ")


def test_nesting_and_size_are_bounded_and_shared_parts_count_each_time():
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert "nested deeper" in mistakes({**LIVE, "server": [{"send": {"json": deep}}]})[0]
    circle: list[Any] = []
    circle.append(circle)
    assert "nested deeper" in mistakes({**LIVE, "server": circle})[0]
    laugh: Any = "lol"
    for _ in range(9):
        laugh = [laugh] * 10
    assert mistakes({**LIVE, "server": [{"send": {"json": laugh}}]}) == [
        f": more than {MAX_NODES} values, aliases counted each time"
    ]


def test_a_file_that_cannot_be_read_is_one_mistake_among_others():
    def reader(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    server = [{"send": {"file": "x.json"}}, {"pause": 1}]
    assert mistakes({**LIVE, "server": server}, file_reader=reader) == [
        "server[0].send: file 'x.json' cannot be read: No such file or directory",
        "server[1].pause: a duration is a number with its unit, like 120ms, 2s or 1m; found 1",
    ]


def test_a_document_without_a_place_has_its_own_id():
    document = {**LIVE, "server": [{"pause": "1s"}]}
    assert parse_scenario({**document, "id": "mine"}).id == "mine"
    with pytest.raises(ScenarioError, match="needs an id"):
        parse_scenario(document)


# ---- the shipped scenarios


def test_the_three_examples_of_the_format_read_as_written():
    def read_shipped(name: str):
        text = (scenarios_folder() / f"{name}.yaml").read_text("utf-8")
        document, lines = document_of(text, name)
        return parse_scenario(document, id=name, lines=lines)

    live = read_shipped("live/text-turn")
    assert live.server[5] == Pause(0.03) and live.server[6] == Send(
        raw(b'{ "serverContent" : {"modelTurn":{"parts":[{"text":"morning."}]}} }', "text")
    )
    assert live.expect.cost == Decimal("0.000016") and live.expect.usage == {
        "prompt": {"text": 12},
        "response": {"text": 5},
    }
    veo = read_shipped("veo/policy-error-after-three-polls")
    message = "The prompt could not be submitted. It may violate the usage guidelines."
    assert veo.server == (StartOperation(OperationError(3, message), 3),)
    assert veo.expect.polls == ("running", "running", "running", "error") and veo.expect.cost == 0
    quota = read_shipped("gemini/quota-burst-then-success")
    [busy, done] = quota.server
    assert isinstance(busy, Reply) and busy.times == 2 and busy.status == 429
    assert isinstance(done, Reply) and done.payload.fill({}).endswith(b'"totalTokenCount": 28\n  }\n}\n')
    [call] = quota.client
    assert isinstance(call, Call) and call.retry == Retry((429,), 2, None)


# ---- properties


WORDS = [
    "server",
    "client",
    "match",
    "surface",
    "send",
    "json",
    "reply",
    "stream",
    "chunks",
    "repeat",
    "steps",
    "branch",
    "cases",
    "receive",
    "close",
    "fault",
    "operation",
    "then",
    "expect",
    "rpc_status",
    "details",
]
garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(garbage)
def test_any_garbage_gives_a_scenario_error(document: object):
    try:
        parse_scenario(document, id="x")
    except ScenarioError as error:
        assert error.problems


@given(st.sampled_from([LIVE, HTTP, VEO]), st.sampled_from(["server", "client"]), garbage, garbage)
def test_garbage_inside_of_a_scenario_gives_a_scenario_error(
    document: dict[str, Any], side: str, part: object, expect: object
):
    try:
        parse_scenario({**document, "server": [{"pause": "1s"}], side: part, "expect": expect}, id="x")
    except ScenarioError as error:
        assert error.problems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
durations = st.tuples(st.integers(0, 500), st.sampled_from(["ms", "s", "m"])).map(lambda pair: f"{pair[0]}{pair[1]}")
bodies = st.one_of(
    json_values.map(lambda value: {"json": value}),
    st.text("ab{} ", max_size=5).map(lambda text: {"text": text}),
    st.just({"base64": "AAEC"}),
    st.sampled_from(SLOTS).map(lambda slot: {"text": f"<{{{{{slot}}}}}>"}),
)
session_steps = st.recursive(
    st.one_of(
        durations.map(lambda pause: {"pause": pause}),
        bodies.map(lambda body: {"send": body}),
        json_values.map(lambda pattern: {"receive": {"json": pattern}}),
        st.just({"receive": "any"}),
        st.just({"send_audio": {"tone_hz": 440, "duration": "1s"}, "interrupt_on": {"json": {"a": "*"}}}),
        st.just({"fault": {"stall": "1s"}}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda steps, n: {"repeat": {"steps": steps, "times": n}}, st.lists(inner, min_size=1, max_size=2), st.integers(1, 3)),
        st.builds(
            lambda pattern, steps: {"branch": {"cases": [{"match": {"json": pattern}, "steps": steps}]}},
            json_values, st.lists(inner, max_size=2),
        ),
    ),
    max_leaves=4,
)  # fmt: skip


@given(st.lists(session_steps, min_size=1, max_size=4), st.lists(session_steps, max_size=3))
def test_any_valid_document_is_read(server: list[Any], client: list[Any]):
    found = parse_scenario({**LIVE, "server": server, "client": client}, id="x")
    assert len(found.server) == len(server) and len(found.client) == len(client)


@given(json_values)
def test_every_layout_is_the_same_json(value: object):
    for layout in ("google", "compact", "event"):
        assert json.loads(json_text(value, layout)) == value


def test_the_scenarios_folder_is_the_checkouts():
    assert scenarios_folder() == Path(__file__).parents[2] / "scenarios"
