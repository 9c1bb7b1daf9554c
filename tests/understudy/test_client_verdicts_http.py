"""Verdicts about streams, operations, uploads, connections: each misdeed alone, and its innocent twin."""

import json
from base64 import urlsafe_b64encode

import pytest
from history_builder import GENERATE, STREAM, History

from understudy.client_verdicts.catalogue import judge

# ---- streams


def event(text: str, finish: str | None = None, thought: bool = False) -> bytes:
    part = {"text": text} | ({"thought": True} if thought else {})
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [part]}}
    if finish:
        candidate["finishReason"] = finish
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


def turns(*texts: str) -> bytes:
    roles = ("user", "model")
    return json.dumps(
        {"contents": [{"role": roles[n % 2], "parts": [{"text": text}]} for n, text in enumerate(texts)]}
    ).encode()


CUT = event("hm", thought=True) + event("Once upon ") + event("a time") + b'data: {"candid'


def test_a_stream_that_broke_off_is_quoted():
    seen = History()
    first = seen.ask(0, target=STREAM, answer=CUT, failure="fault injected: truncate", body=turns("Tell me."))
    second = seen.ask(1, target=STREAM, answer=event("Yes.", "STOP"), body=turns("Tell me.", "Once upon a time", "On."))
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("truncated_stream_accepted", "warned")
    assert verdict.exchanges == (first, second)
    assert verdict.why.startswith("an answer that broke off after 16 characters")
    assert "Once" not in verdict.why


def test_a_stream_without_its_end_is_quoted():
    seen = History()
    seen.ask(0, target=STREAM, answer=event("Once"), body=turns("Tell me."))
    seen.ask(1, target=STREAM, answer=event("Yes.", "STOP"), body=turns("Tell me.", "Once", "On."))
    assert seen.rules() == ["truncated_stream_accepted"]


def test_an_array_is_read_as_well():
    seen = History()
    value = {"candidates": [{"content": {"parts": [{"text": "Once"}]}}]}
    seen.ask(
        0, target=STREAM, answer=b"[" + json.dumps(value).encode() + b",\r\n{", failure="fault injected: reset_peer"
    )
    seen.ask(1, target=STREAM, answer=event("Yes.", "STOP"), body=turns("Tell me.", "Once", "On."))
    assert seen.rules() == ["truncated_stream_accepted"]


def test_who_asks_again_and_quotes_the_whole_is_right():
    seen = History()
    question = turns("Tell me.")
    seen.ask(0, target=STREAM, answer=event("Once"), failure="fault injected: truncate", body=question)
    seen.ask(1, target=STREAM, answer=event("Once", "STOP"), body=question)
    seen.ask(2, target=STREAM, answer=event("Yes.", "STOP"), body=turns("Tell me.", "Once", "On."))
    assert seen.rules() == []


def test_who_goes_on_without_the_broken_answer_is_right():
    seen = History()
    seen.ask(0, target=STREAM, answer=CUT, failure="fault injected: truncate", body=turns("Tell me."))
    seen.ask(1, target=STREAM, answer=event("Yes.", "STOP"), body=turns("Something else."))
    assert seen.rules() == []


@pytest.mark.parametrize(
    "body", [b"contents", b"[]", b'{"contents":{}}', b'{"contents":[null,{"role":"model","parts":1}]}']
)
def test_odd_bodies_do_no_harm(body):
    seen = History()
    seen.ask(0, target=STREAM, answer=CUT, failure="fault injected: truncate")
    seen.ask(1, body=body)
    assert seen.rules() == []


def test_an_answer_is_left():
    seen = History()
    left = seen.ask(0, target=STREAM, answer=event("Once"), failure="client left", took=0.5)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.exchanges) == ("answer_abandoned", "warned", (left,))
    assert verdict.why.startswith("left 0.5 s after its request, with ")


@pytest.mark.parametrize(
    "how",
    [
        {"faults": ("stall 60s",), "failure": "client left"},
        {"answer": b"", "took": 31.0, "failure": "client left"},
        {"failure": "simulator stopped"},
        {"failure": "not ended yet"},
    ],
    ids=str,
)
def test_to_leave_a_stalled_answer_is_right(how):
    seen = History()
    seen.ask(0, **how)
    assert seen.rules() == []


# ---- operations

OPERATION = "models/veo-3.0-generate-001/operations/abc"
POLL = f"/v1beta/{OPERATION}"
FETCH = "/v1beta1/projects/p/locations/l/publishers/google/models/veo-3.0:fetchPredictOperation"


def poll(seen: History, at: float, done: bool = False) -> int:
    answer = json.dumps({"name": OPERATION} | ({"done": True} if done else {})).encode()
    return seen.ask(at, method="GET", target=POLL, body=b"", answer=answer)


def test_an_operation_is_polled_too_fast():
    seen = History()
    for number in range(6):
        poll(seen, number * 0.5)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("polled_too_fast", "warned")
    assert verdict.why == f"5 polls in 2 s, while it was running: {OPERATION}"
    assert len(verdict.exchanges) == 6


def test_polls_by_post_count_as_well():
    seen = History()
    for number in range(5):
        seen.ask(number * 0.1, target=FETCH, body=b'{"operationName": "projects/p/operations/1"}')
    assert seen.rules() == ["polled_too_fast"]


def test_a_patient_client_polls():
    seen = History()
    for number in range(10):
        poll(seen, number * 1.1)
    assert seen.rules() == []


def test_what_is_done_may_be_fetched_often():
    seen = History()
    for number in range(10):
        poll(seen, number * 0.1, done=True)
    assert seen.rules() == []


def test_the_last_poll_that_was_needed_may_be_followed_by_others():
    seen = History()
    poll(seen, 0)
    for number in range(1, 6):
        poll(seen, number * 0.1, done=True)
    assert seen.rules() == []


def test_several_operations_are_polled_side_by_side():
    seen = History()
    for number in range(10):
        body = json.dumps({"operationName": f"projects/p/operations/{number}"}).encode()
        seen.ask(number * 0.1, target=FETCH, body=body)
    assert seen.rules() == []


# ---- uploads

UPLOAD = "/upload/v1beta/files"
START = ((b"X-Goog-Upload-Command", b"start"), (b"X-Goog-Upload-Header-Content-Length", b"9000000"))
GO_ON = ((b"X-Goog-Upload-Command", b"upload"), (b"X-Goog-Upload-Offset", b"0"))
QUERY = ((b"X-Goog-Upload-Command", b"query"),)


def start(seen: History, at: float, upload_id: str) -> int:
    url = f"http://h{UPLOAD}?upload_id={upload_id}&upload_protocol=resumable".encode()
    return seen.ask(at, target=UPLOAD, headers=START, answer_headers=((b"X-Goog-Upload-URL", url),), answer=b"")


def part(seen: History, at: float, upload_id: str, status: int = 200, **how) -> int:
    target = f"{UPLOAD}?upload_id={upload_id}&upload_protocol=resumable"
    return seen.ask(at, status, target=target, **({"headers": GO_ON, "body": b"x" * 1000} | how))


def test_an_upload_begins_anew():
    seen = History()
    ids = [start(seen, 0, "a"), part(seen, 1, "a", 503), start(seen, 3, "b")]
    part(seen, 4, "b")
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, list(verdict.exchanges)) == ("upload_not_resumed", "warned", ids)
    assert verdict.why == "1000 bytes or more had come when it broke off, and it began anew"


def test_an_upload_goes_on():
    seen = History()
    start(seen, 0, "a")
    part(seen, 1, "a", 0, failure="the request broke off")
    part(seen, 2, "a", headers=QUERY, body=b"")
    part(seen, 3, "a")
    start(seen, 4, "b")
    assert seen.rules() == []


def test_an_upload_that_is_lost_begins_anew():
    seen = History()
    start(seen, 0, "a")
    part(seen, 1, "a", 404)
    start(seen, 2, "b")
    assert seen.rules() == []


# ---- connections and credentials


def test_a_key_in_the_query():
    seen = History()
    seen.ask(0, target=GENERATE + "?alt=sse&key=AIza-secret")
    seen.ask(1, target=GENERATE + "?%6Bey=AIza-secret", body=b"{}")
    seen.ask(2, body=b"[]")
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.exchanges) == ("key_in_query", "warned", (1, 2))
    assert verdict.why == f"2 of 3 requests, the first POST {GENERATE}?alt=sse&key=***"


def test_other_words_are_no_key():
    seen = History()
    seen.ask(0, target=GENERATE + "?alt=sse&keyword=x&monkey=y")
    seen.session(1, target="/ws/x?key=AIza-secret")
    assert seen.rules() == []


def lonely(seen: History, count: int, **how) -> None:
    for number in range(count):
        seen.ask(number * 0.2, body=b"%d" % number, connection=number + 1, **how)


def test_a_connection_for_each_request():
    seen = History()
    lonely(seen, 10)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("connection_per_request", "warned")
    assert verdict.why == "10 requests in 1.81 s, one after the other, on 10 connections"


def test_a_client_that_wants_each_connection_closed():
    seen = History()
    lonely(seen, 10, headers=((b"Connection", b"close"),), answer_headers=((b"Connection", b"close"),))
    assert seen.rules() == ["connection_per_request"]


@pytest.mark.parametrize(
    "how",
    [
        {"answer_headers": ((b"Connection", b"close"),)},
        {"took": 0.3},
        {"failure": "fault injected: reset_peer"},
        {"surface": "oauth"},
    ],
    ids=str,
)
def test_connections_that_could_not_be_kept(how):
    seen = History()
    lonely(seen, 10, **how)
    assert "connection_per_request" not in seen.rules()


def test_nine_requests_are_too_few():
    seen = History()
    lonely(seen, 9)
    assert seen.rules() == []


def test_a_pool_keeps_its_connections():
    seen = History()
    lonely(seen, 20)
    lonely(seen, 20)
    assert seen.rules() == []


def assertion(issuer: str, at: int) -> bytes:
    claims = json.dumps({"iss": issuer, "scope": "cloud", "iat": at, "exp": at + 3600}).encode()
    middle = urlsafe_b64encode(claims).rstrip(b"=").decode()
    return f"grant_type=urn%3Aietf&assertion=aGVhZA.{middle}.c2ln{at}".encode()


def fetch_token(seen: History, at: float, token: str, issuer: str = "me") -> int:
    answer = json.dumps({"access_token": token, "expires_in": 3599}).encode()
    return seen.ask(at, target="/token", body=assertion(issuer, int(at * 10)), answer=answer, surface="oauth")


def use(seen: History, at: float, token: str) -> None:
    seen.ask(at, headers=((b"Authorization", f"Bearer {token}".encode()),), body=b"%d" % int(at * 100))


def test_a_token_for_each_request():
    seen = History()
    for number in range(12):
        fetch_token(seen, number, f"token-{number}")
        use(seen, number + 0.5, f"token-{number}")
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level) == ("token_refreshed_too_often", "warned")
    assert verdict.why == "12 access tokens in 11 s, and none was used twice; each is good for an hour"
    assert "token-" not in verdict.why


def test_tokens_that_are_used_in_another_scope():
    seen, elsewhere = History(), History("a", 100)
    for number in range(12):
        fetch_token(seen, number, f"token-{number}")
        use(elsewhere, number + 0.5, f"token-{number}")
        use(elsewhere, number + 0.7, f"token-{number}")
    whole = type(seen.transcript)((*seen.exchanges, *elsewhere.exchanges))
    assert judge(whole) == ()
    assert judge(whole, scope="") == ()


def test_many_credentials_have_many_tokens():
    seen = History()
    for number in range(30):
        fetch_token(seen, number / 10, f"token-{number}", issuer=f"account-{number}")
    assert seen.rules() == []


REDIRECT = ((b"Location", b"http://127.0.0.1:1/~mine/download/v1beta/files/x:download?alt=media"),)


def test_nobody_follows():
    seen = History()
    first = seen.ask(
        0, 302, method="GET", target="/v1beta/files/x:download?alt=media", answer_headers=REDIRECT, body=b""
    )
    seen.ask(10, 200)
    [verdict] = seen.verdicts()
    assert (verdict.rule, verdict.level, verdict.exchanges) == ("redirect_not_followed", "warned", (first,))


def test_somebody_follows():
    seen = History()
    seen.ask(0, 302, method="GET", target="/v1beta/files/x:download?alt=media", answer_headers=REDIRECT, body=b"")
    seen.ask(0.1, 200, method="GET", target="/download/v1beta/files/x:download?alt=media", body=b"")
    assert seen.rules() == []


def test_there_is_time_to_follow():
    seen = History()
    seen.ask(0, 302, method="GET", target="/v1beta/files/x:download?alt=media", answer_headers=REDIRECT, body=b"")
    assert judge(seen.transcript, now=1.0) == ()
    assert len(judge(seen.transcript, now=6.0)) == 1


@pytest.mark.parametrize("target", ["//[x/v1/models", "/v1/models?upload_id=%zz#["])
def test_a_target_that_is_no_url_breaks_no_verdict(target):
    seen = History()
    seen.ask(0, target=target, status=404)
    assert seen.verdicts() == ()
