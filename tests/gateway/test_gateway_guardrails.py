"""Guardrails on a running gateway, over real sockets."""

import asyncio
import gzip
import json
import logging
import random

import features_stand
import pytest
from features_stand import SECOND_KEY, featured, guardrail, words
from gateway_stand import GENERATE, KEY, UPSTREAM_KEY, Reply, asked, client, cost, gateway, recorded, request, usage
from live_doubles import RawServer, close, connect, frame, handshake, switching
from upstream_double import Seen, Talk, answering, double, response

from understudy.errors import ConfigError
from understudy_gateway.app import Gateway

STREAM = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(*texts: str) -> bytes:
    return json.dumps({"contents": [{"parts": [{"text": text} for text in texts]}]}).encode()


def event(text: str, **more: object) -> bytes:
    return b"data: " + json.dumps({"candidates": [{"content": {"parts": [{"text": text}]}}], **more}).encode() + b"\n\n"


def assert_blocked(reply: Reply, name: str = "no-secrets") -> None:
    assert (reply.status, reply.reason) == (400, "GUARDRAIL")
    error = json.loads(reply.body)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert name in error["message"]
    assert reply.value(b"x-understudy-error") == b"GUARDRAIL"


async def one(config, sent: bytes, *, up=None):
    """The reply, the requests that came to the provider, and the record."""
    async with double(up) as provider, gateway("", config=config(provider.url)) as running:
        reply = await asked(running, sent)
        (record,) = await recorded(running)
        return reply, provider.requests, record


# --- requests --------------------------------------------------------------------------------------------------------


async def test_a_word_of_the_deny_list_is_refused_by_the_guardrails_name_and_nothing_reaches_the_provider():
    rules = {"guardrails": [words("hunter2")]}
    reply, seen, record = await one(lambda url: featured(url, top=rules), request(body=said("it is Hunter2!")))
    assert_blocked(reply)
    assert not seen
    assert b"unter2" not in reply.body + reply.head
    assert (record.outcome, record.cost, record.status) == ("rejected", 0, 400)
    assert record.reason == "blocked by the guardrail no-secrets: a pattern or a word was found"


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents": [{"parts": [{"text": "\\u0068unter\\u0032"}]}]}',
        said("hun", "ter2"),
        said("hunter2", "0"),
        said("x" * 100_000 + " hunter2"),
        b'{"systemInstruction": {"parts": [{"text": "hunter2"}]}, "contents": []}',
        b"hunter2 in no JSON",
        said("hunter2").decode().encode("utf-16-le"),
        b'[{"broken": "hunter2',
    ],
)
async def test_it_is_found_however_it_is_spelled_or_cut(body):
    rules = {"guardrails": [words("hunter2")]}
    reply, seen, _ = await one(lambda url: featured(url, top=rules), request(body=body))
    assert_blocked(reply)
    assert not seen


async def test_what_is_allowed_goes_on_byte_for_byte_however_it_came():
    body = b'{"a": 1,  "a":2, "contents": [{"parts": [{"text": "\\u0068ello\\ud800"}]}], "n": 1e400}'
    rules = {"guardrails": [words("hunter2"), guardrail("digits", guardrail="regex", patterns=[r"\d{16}"])]}
    async with double() as up, gateway("", config=featured(up.url, top=rules)) as running, client(running) as talk:
        await talk.send(request(body=body))
        assert (await talk.reply()).status == 200
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await talk.send(head.encode() + chunk(body[:10]))
        await talk.send(chunk(body[10:]) + b"0\r\n\r\n")
        assert (await talk.reply()).status == 200
    assert [seen.body for seen in up.requests] == [body, body]
    assert up.requests[0].values(b"content-length") == [b"%d" % len(body)]
    assert up.requests[1].values(b"transfer-encoding") == [b"chunked"]


async def test_a_regular_expression_in_litellms_words():
    rule = guardrail(
        guardrail="litellm_content_filter",
        patterns=[{"pattern_type": "regex", "name": "card", "pattern": r"\b\d{4}-\d{4}\b", "action": "BLOCK"}],
        blocked_words=[{"keyword": "hunter2", "action": "BLOCK", "description": "a password"}],
    )

    def config(url):
        return featured(url, top={"guardrails": [rule]})

    assert_blocked((await one(config, request(body=said("1234-5678"))))[0])
    assert_blocked((await one(config, request(body=said("HUNTER2"))))[0])
    assert (await one(config, request(body=said("12345-5678"))))[0].status == 200


async def test_a_guardrail_judges_for_the_keys_that_name_it_and_on_the_routes_that_it_names():
    by_key = guardrail("by-key", guardrail="deny_list", blocked_words=["hunter2"], default_on=False)
    by_route = guardrail("by-route", guardrail="deny_list", blocked_words=["xyzzy"], routes=["vertex_ai"])
    keys: list[dict[str, object]] = [
        {"id": "plain", "key": KEY},
        {"id": "guarded", "key": SECOND_KEY, "guardrails": ["by-key"]},
    ]
    async with (
        double() as up,
        gateway("", config=featured(up.url, keys=keys, top={"guardrails": [by_key, by_route]})) as running,
    ):
        vertex = GENERATE.replace("/gemini/v1beta", "/vertex_ai/v1/publishers/google")
        assert (await asked(running, request(body=said("hunter2 xyzzy")))).status == 200
        assert_blocked(await asked(running, request(body=said("hunter2"), key=SECOND_KEY)), "by-key")
        assert_blocked(await asked(running, request(vertex, body=said("xyzzy"))), "by-route")
        assert (await asked(running, request(vertex, body=said("hunter2")))).status == 200
    assert len(up.requests) == 2


@pytest.mark.parametrize(("outcome", "status"), [("block", 400), ("allow", 200)])
async def test_what_would_take_too_long_to_judge_ends_as_what_is_too_large(outcome, status):
    # R-36, 2.7: a text made for the pattern costs some tenths of a second at most.
    rule = guardrail(guardrail="regex", patterns=[r"a(a|b){40}(a|b){40}z"], on_large=outcome)
    hard = "".join(random.Random(1).choices("ab", k=50_000))
    reply, seen, record = await one(lambda url: featured(url, top={"guardrails": [rule]}), request(body=hard.encode()))
    assert (reply.status, len(seen)) == (status, status == 200)
    if outcome == "block":
        assert record.reason.endswith("it would take too long to judge")


@pytest.mark.parametrize(("outcome", "status"), [("block", 400), ("allow", 200)])
@pytest.mark.parametrize("kind", ["sized", "chunked", "coded"])
async def test_what_is_too_large_or_cannot_be_read_ends_as_configured(outcome, status, kind):
    rule = words("hunter2", max_bytes=1000, on_large=outcome)
    body = said("x" * 300_000)
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: {KEY}\r\n"
    match kind:
        case "sized":
            sent = request(body=body)
        case "coded":
            body = gzip.compress(said("hunter2"))
            sent = request(body=body, headers={"Content-Encoding": "gzip"})
        case _:
            sent = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk(body) + b"0\r\n\r\n"
    reply, seen, _ = await one(lambda url: featured(url, top={"guardrails": [rule]}), sent)
    assert reply.status == status
    assert [one.body for one in seen] == ([body] if status == 200 else [])


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Encoding", "identity"), ("content-encoding", "gzip")],
        [("x-pass-content-encoding", "gzip")],
        [("Content-Encoding", "identity, gzip")],
    ],
)
async def test_a_coding_cannot_be_hidden_from_the_guardrail(headers):
    sent = request(body=gzip.compress(said("hunter2")), headers=headers)
    reply, seen, _ = await one(lambda url: featured(url, top={"guardrails": [words("hunter2")]}), sent)
    assert_blocked(reply)
    assert not seen


async def test_a_body_that_is_too_large_streams_on_while_it_comes():
    # BODY-5: what is held is bounded by the guardrail's size, and the provider sees the rest as it comes.
    rule = words("hunter2", max_bytes=1000, on_large="allow")
    arrived = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.reader.readexactly(5000)
        arrived.set()
        await talk.reader.readexactly(5000)
        await talk.send(response(b"{}"))

    async with (
        double(script, reads_body=False) as up,
        gateway("", config=featured(up.url, top={"guardrails": [rule]})) as running,
        client(running) as talk,
    ):
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: {KEY}\r\nContent-Length: 10000\r\n\r\n"
        await talk.send(head.encode() + b"a" * 5000)
        async with asyncio.timeout(10):
            await arrived.wait()
        await talk.send(b"b" * 5000)
        assert (await talk.reply()).status == 200


async def test_a_body_beyond_the_gateways_own_limit_is_refused_while_it_is_held():
    rules = {"guardrails": [words("hunter2")]}
    async with (
        double() as up,
        gateway("", config=featured(up.url, top=rules, limits={"request_body_bytes": 100})) as running,
        client(running) as talk,
    ):
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await talk.send(head.encode() + chunk(b"a" * 200))
        assert (await talk.reply()).status == 413
        assert not up.requests


async def test_requests_without_a_body_and_gateways_without_guardrails_are_left_alone():
    rules = {"guardrails": [words("models")]}
    reply, _, _ = await one(
        lambda url: featured(url, top=rules), request("/gemini/v1beta/models", method="GET", body=None)
    )
    assert reply.status == 200
    reply, seen, _ = await one(featured, request(body=said("hunter2")))
    assert (reply.status, len(seen)) == (200, 1)


# --- hooks -----------------------------------------------------------------------------------------------------------


def hooked(name: str, **params: object):
    rule = guardrail("hook", guardrail=f"features_stand.{name}", **params)
    return lambda url: featured(url, top={"guardrails": [rule]})


@pytest.mark.parametrize("name", ["refuses_secrets", "refuses_secrets_later"])
async def test_a_hook_is_given_a_copy_and_may_block(name):
    features_stand.SEEN.clear()
    body = said("one ", "two")
    reply, seen, _ = await one(hooked(name), request(body=body, headers={"x-litellm-tags": "a,b"}))
    assert (reply.status, seen[0].body) == (200, body)
    judged = features_stand.SEEN[0]
    assert (judged.body, judged.text, judged.mode, judged.guardrail) == (body, "one two", "pre_call", "hook")
    assert (judged.route, judged.model, judged.key_id) == ("gemini", "gemini-2.5-flash", "team")
    assert judged.tags == ("a", "b")
    reply, seen, record = await one(hooked(name), request(body=said("sec", "ret")))
    assert_blocked(reply, "hook")
    assert not seen
    assert record.reason == "blocked by the guardrail hook: a secret"


@pytest.mark.parametrize("name", ["fails", "fails_later", "never_answers", "sleeps", "odd"])
@pytest.mark.parametrize(("outcome", "status"), [("block", 400), ("allow", 200)])
async def test_a_hook_that_cannot_judge_ends_as_configured_and_its_error_tells_nothing(name, outcome, status, caplog):
    features_stand.RELEASE.clear()
    try:
        config = hooked(name, on_error=outcome, timeout_s=0.05)
        reply, _, record = await one(config, request(body=said("hunter2")))
    finally:
        features_stand.RELEASE.set()
    assert reply.status == status
    assert b"hunter2" not in reply.body
    assert "hunter2" not in caplog.text + str(record.reason)
    assert "guardrail hook" in caplog.text


async def test_a_plain_function_that_hangs_holds_up_neither_others_nor_the_end():
    features_stand.RELEASE.clear()
    rule = guardrail("hook", guardrail="features_stand.sleeps", timeout_s=60)
    other = [{"id": "free", "key": SECOND_KEY}, {"id": "team", "key": KEY, "guardrails": ["hook"]}]
    rule["litellm_params"]["default_on"] = False  # pyright: ignore
    async with double() as up, gateway("", config=featured(up.url, keys=other, top={"guardrails": [rule]})) as running:
        async with client(running) as talk:
            await talk.send(request())
            assert (await asked(running, request(key=SECOND_KEY))).status == 200
        await recorded(running, 2)
    features_stand.RELEASE.set()


async def test_a_hooks_reason_cannot_forge_a_log_line(caplog):
    with caplog.at_level(logging.INFO):
        _, _, record = await one(hooked("talkative"), request())
    # S-67
    assert record.reason == "blocked by the guardrail hook: line?break ?[31m" + "x" * 64
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    "name", ["no_such_module_here.hook", "features_stand.no_such_name", "features_stand.NOT_CALLABLE"]
)
async def test_a_hook_that_cannot_be_found_keeps_the_gateway_from_starting_and_a_reload_from_taking(name):
    bad = featured("http://127.0.0.1:1", top={"guardrails": [guardrail(guardrail=name)]})
    with pytest.raises(ConfigError, match="guardrails"):
        async with gateway("", config=bad):
            pass
    async with double() as up, gateway("", config=featured(up.url, top={"guardrails": [words("hunter2")]})) as running:
        with pytest.raises(ConfigError, match="guardrails"):
            await running.reload(bad, running._books.book)
        assert_blocked(await asked(running, request(body=said("hunter2"))))


async def test_nothing_that_a_request_says_is_imported():
    # S-64: names come from the configuration file alone.
    body = json.dumps({"guardrails": ["features_stand.allows"], "metadata": {"guardrail": "features_stand.allows"}})
    features_stand.SEEN.clear()
    sent = request(body=body.encode(), headers={"x-litellm-guardrails": "features_stand.allows"})
    reply, seen, _ = await one(lambda url: featured(url, top={"guardrails": [words("hunter2")]}), sent)
    assert (reply.status, seen[0].body) == (200, body.encode())
    assert not features_stand.SEEN


async def test_a_reload_changes_the_guardrails():
    async with double() as up, gateway("", config=featured(up.url)) as running:
        assert (await asked(running, request(body=said("hunter2")))).status == 200
        rules = {"guardrails": [words("hunter2")]}
        await running.reload(featured(up.url, top=rules), running._books.book)
        assert_blocked(await asked(running, request(body=said("hunter2"))))
        await running.reload(featured(up.url), running._books.book)
        assert (await asked(running, request(body=said("hunter2")))).status == 200


# --- answers ---------------------------------------------------------------------------------------------------------


def judging(*found: str, **params: object):
    return lambda url: featured(url, top={"guardrails": [words(*found, mode="post_call", **params)]})


async def test_a_stream_that_says_a_forbidden_word_breaks_off_visibly_and_is_booked():
    parts = [event("it is hun"), event("ter"), event("2!", usageMetadata=usage(7, 3)), event("never seen")]
    passed = asyncio.Event()

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED)
        for part in parts[:3]:
            await talk.send(chunk(part))
        await talk.left()
        passed.set()

    async with double(script) as up, gateway("", config=judging("hunter2")(up.url)) as running:
        reply = await asked(running, request(STREAM))
        (record,) = await recorded(running)
        async with asyncio.timeout(10):
            await passed.wait()  # STR-5: the provider is told
    assert reply.status == 200
    assert not reply.is_whole  # STR-4
    assert reply.body == b"".join(parts[:3])  # what was said has been passed on: a tap never delays
    assert (record.status, record.outcome, record.known) == (200, "rejected", "estimated")
    assert record.cost == cost(7, 3)
    assert "no-secrets" in record.reason


async def test_a_piece_that_ends_in_the_middle_of_a_word_is_not_taken_for_one():
    answer = answering(CHUNKED + chunk(event("an ass")) + chunk(event("essment")) + b"0\r\n\r\n")
    reply, _, record = await one(judging("ass"), request(STREAM), up=answer)
    assert (reply.is_whole, record.outcome) == (True, "ok")


async def test_each_piece_leaves_before_the_next_one_comes():
    # STR-2: nothing waits for the judgement, not even for that of a hook.
    heard = [asyncio.Event() for _ in range(3)]
    parts = [event("a"), event("b"), event("c")]

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED)
        for part, came in zip(parts, heard, strict=True):
            await talk.send(chunk(part))
            await came.wait()
        await talk.send(b"0\r\n\r\n")

    rules = [
        words("hunter2", mode="post_call"),
        guardrail("slow", guardrail="features_stand.never_answers", mode="post_call", on_error="allow", timeout_s=0.2),
    ]
    async with (
        double(script) as up,
        gateway("", config=featured(up.url, top={"guardrails": rules})) as running,
        client(running) as talk,
        asyncio.timeout(20),
    ):
        await talk.send(request(STREAM))
        await talk.head()
        for part, came in zip(parts, heard, strict=True):
            assert await talk.chunk() == part
            came.set()
        assert await talk.chunk() == b""


@pytest.mark.parametrize("coding", [None, b"gzip"])
async def test_an_answer_of_known_length_never_ends_as_if_it_were_whole(coding):
    body = json.dumps(
        {"candidates": [{"content": {"parts": [{"text": "hunter2"}]}}], "usageMetadata": usage(1, 1)}
    ).encode()
    sent = gzip.compress(body) if coding else body
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    fields = b"Content-Encoding: gzip\r\n" if coding else b""
    reply, _, record = await one(judging("hunter2"), request(), up=answering(head % (len(sent), fields) + sent))
    assert not reply.is_whole
    assert len(reply.body) < len(sent)
    assert record.outcome == "rejected"
    if coding is None:
        assert record.cost == cost(1, 1)


@pytest.mark.parametrize("framing", ["sized", "chunked"])
@pytest.mark.parametrize("coding", [None, b"gzip", b"br"])
async def test_an_answer_that_is_allowed_is_the_same_bytes(framing, coding):
    body = json.dumps(
        {"candidates": [{"content": {"parts": [{"text": "fine"}]}}], "usageMetadata": usage(1, 1)}
    ).encode()
    sent = gzip.compress(body) if coding == b"gzip" else body
    fields = b"Content-Encoding: %b\r\n" % coding if coding else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + fields
    if framing == "sized":
        answer = head + b"Content-Length: %d\r\n\r\n" % len(sent) + sent
    else:
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(sent[:9]) + chunk(sent[9:]) + b"0\r\n\r\n"
    reply, _, record = await one(judging("hunter2", on_large="allow"), request(), up=answering(answer))
    assert (reply.status, reply.body, reply.is_whole, record.outcome) == (200, sent, True, "ok")
    if coding != b"br":
        assert record.cost == cost(1, 1)


async def test_the_cost_header_is_there_beside_a_guardrail():
    # OBS-3
    answer = answering(response(event("fine", usageMetadata=usage(1, 1))[6:-2]))
    rules = {"guardrails": [words("hunter2", mode="post_call")]}
    config = lambda url: featured(url, top=rules, response_cost_header=True)  # noqa: E731
    reply, _, record = await one(config, request(), up=answer)
    assert (reply.value(b"x-litellm-response-cost"), record.cost) == (b"0.0000028", cost(1, 1))
    bad = answering(response(event("hunter2", usageMetadata=usage(1, 1))[6:-2]))
    reply, _, record = await one(config, request(), up=bad)
    assert (reply.is_whole, record.outcome, record.cost) == (False, "rejected", cost(1, 1))


async def test_an_answer_that_cannot_be_read_is_not_let_through_unless_configured():
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nabcde"
    )
    reply, _, record = await one(judging("hunter2"), request(), up=answering(head))
    assert not reply.is_whole
    assert record.outcome == "rejected"


@pytest.mark.parametrize("name", ["refuses_secrets", "refuses_secrets_later"])
async def test_a_hook_beside_an_answer_sees_what_was_said_and_the_end_waits_for_it(name):
    rule = guardrail("hook", guardrail=f"features_stand.{name}", mode="post_call")
    answer = answering(CHUNKED + chunk(event("a sec")) + chunk(event("ret")) + b"0\r\n\r\n")
    reply, _, record = await one(lambda url: featured(url, top={"guardrails": [rule]}), request(STREAM), up=answer)
    assert (reply.is_whole, record.outcome) == (False, "rejected")
    assert features_stand.SEEN[-1].text == "a secret"
    assert features_stand.SEEN[-1].mode == "post_call"
    fine = answering(CHUNKED + chunk(event("nothing")) + b"0\r\n\r\n")
    reply, _, record = await one(lambda url: featured(url, top={"guardrails": [rule]}), request(STREAM), up=fine)
    assert (reply.is_whole, record.outcome) == (True, "ok")


async def test_what_a_hook_holds_of_an_answer_is_bounded():
    rule = guardrail("hook", guardrail="features_stand.allows", mode="post_call", max_bytes=100)
    answer = answering(CHUNKED + chunk(event("x" * 200)) + b"0\r\n\r\n")
    reply, _, record = await one(lambda url: featured(url, top={"guardrails": [rule]}), request(STREAM), up=answer)
    assert (reply.is_whole, record.outcome) == (False, "rejected")
    features_stand.SEEN.clear()
    rule["litellm_params"]["on_large"] = "allow"  # pyright: ignore
    answer = answering(CHUNKED + chunk(event("x" * 200)) + chunk(event("more")) + b"0\r\n\r\n")
    reply, _, record = await one(lambda url: featured(url, top={"guardrails": [rule]}), request(STREAM), up=answer)
    assert (reply.is_whole, record.outcome) == (True, "ok")
    assert not features_stand.SEEN  # half a text is not asked about


async def test_a_provider_that_breaks_off_is_told_as_ever_with_a_tap_beside_it():
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(CHUNKED + chunk(event("fine", usageMetadata=usage(2, 2))))
        talk.reset()

    reply, _, record = await one(judging("hunter2"), request(STREAM), up=script)
    assert (reply.is_whole, record.outcome, record.cost) == (False, "upstream_abort", cost(2, 2))


# --- Live ------------------------------------------------------------------------------------------------------------

LIVE = b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def live(config, upstream: RawServer, running: Gateway):
    peer = await connect(int(running.http_url.rpartition(":")[2]))
    peer.send(handshake(LIVE, b"x-goog-api-key: " + KEY.encode()))
    provider = await upstream.accept()
    provider.send(switching(await provider.head()))
    assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
    return peer, provider


DONE = b'{"serverContent": {"turnComplete": true}}'


def turn(text: str) -> bytes:
    return json.dumps({"serverContent": {"modelTurn": {"parts": [{"text": text}]}}}).encode()


@pytest.mark.parametrize("speaker", ["client", "provider"])
async def test_a_live_session_that_says_a_forbidden_word_is_closed_with_1008_on_both_sides(speaker):
    mode = "pre_call" if speaker == "client" else "post_call"
    rules = {"guardrails": [words("hunter2", mode=mode)]}
    async with RawServer() as upstream, asyncio.timeout(20):
        config = featured(f"http://127.0.0.1:{upstream.port}", top=rules)
        async with gateway("", config=config) as running:
            peer, provider = await live(config, upstream, running)
            pieces = [turn("hunt"), turn("er2"), *([DONE] if speaker == "provider" else [])]
            for number, piece in enumerate(pieces):
                if speaker == "client":
                    peer.send(frame(2, piece, masked=True))
                    if not number:  # the second one ends the word: it is held
                        assert await provider.frame() == (2, piece)
                else:
                    provider.send(frame(2, piece, masked=False))
                    assert await peer.frame() == (2, piece)
            for end in (peer, provider):
                assert await end.close_frame() == (1008, "the guardrail no-secrets")
            await peer.leave()
            (record,) = await recorded(running)
    assert (record.status, record.outcome) == (101, "rejected")
    assert record.reason == "blocked by the guardrail no-secrets: a pattern or a word was found"


async def test_a_word_that_goes_on_in_the_next_message_is_not_taken_for_its_beginning():
    rules = {"guardrails": [words("ass", mode="post_call")]}
    async with RawServer() as upstream, asyncio.timeout(20):
        config = featured(f"http://127.0.0.1:{upstream.port}", top=rules)
        async with gateway("", config=config) as running:
            peer, provider = await live(config, upstream, running)
            for piece in (turn("an ass"), turn("essment"), DONE):
                provider.send(frame(2, piece, masked=False))
                assert await peer.frame() == (2, piece)
            provider.send(close(1000, masked=False))
            assert (await peer.close_frame())[0] == 1000
            peer.send(close(1000, masked=True))
            await peer.leave()
            (record,) = await recorded(running)
    assert record.outcome == "ok"


async def test_a_rule_for_one_side_of_a_session_does_not_judge_the_other():
    rules = {"guardrails": [words("hunter2", mode="post_call")]}
    async with RawServer() as upstream, asyncio.timeout(20):
        config = featured(f"http://127.0.0.1:{upstream.port}", top=rules)
        async with gateway("", config=config) as running:
            peer, provider = await live(config, upstream, running)
            peer.send(frame(1, turn("hunter2"), masked=True))
            assert await provider.frame() == (1, turn("hunter2"))
            provider.send(close(1000, masked=False))
            assert (await peer.close_frame())[0] == 1000
            peer.send(close(1000, masked=True))
            await peer.leave()
            (record,) = await recorded(running)
    assert record.outcome == "ok"


@pytest.mark.parametrize("name", ["refuses_secrets", "refuses_secrets_later"])
async def test_a_hook_judges_messages_of_a_session(name):
    rules = {"guardrails": [guardrail("hook", guardrail=f"features_stand.{name}", mode=["pre_call", "post_call"])]}
    async with RawServer() as upstream, asyncio.timeout(20):
        config = featured(f"http://127.0.0.1:{upstream.port}", top=rules)
        async with gateway("", config=config) as running:
            peer, provider = await live(config, upstream, running)
            provider.send(frame(1, turn("a secret"), masked=False))
            assert await peer.frame() == (1, turn("a secret"))
            assert await peer.close_frame() == (1008, "the guardrail hook")
            await peer.leave()
            await recorded(running)


@pytest.mark.parametrize(("outcome", "closes"), [("block", True), ("allow", False)])
async def test_a_live_message_too_long_to_be_judged_ends_as_configured(outcome, closes):
    rules = {"guardrails": [words("hunter2", mode="post_call", on_large=outcome)]}
    async with RawServer() as upstream, asyncio.timeout(30):
        config = featured(f"http://127.0.0.1:{upstream.port}", top=rules)
        async with gateway("", config=config) as running:
            peer, provider = await live(config, upstream, running)
            payload = b"x" * (5 * 1024 * 1024)
            provider.send(frame(2, payload, masked=False))
            assert await peer.frame() == (2, payload)
            if closes:
                assert (await peer.close_frame())[0] == 1008
            else:
                provider.send(frame(1, b"still here", masked=False))
                assert await peer.frame() == (1, b"still here")
            await peer.leave()
            await recorded(running)


async def test_the_provider_key_is_no_part_of_what_is_judged():
    features_stand.SEEN.clear()
    await one(hooked("allows"), request(body=said("x")))
    assert UPSTREAM_KEY not in repr(features_stand.SEEN)
    assert KEY not in repr(features_stand.SEEN)


# --- endpoints --------------------------------------------------------------------------------------------------------


def with_endpoint(base: str, *names: str):
    endpoint = {"path": "/tools", "target": base + "/x", "guardrails": dict.fromkeys(names)}
    rules = [words("hunter2", default_on=False)]
    return featured(base, top={"guardrails": rules, "general_settings": {"pass_through_endpoints": [endpoint]}})


async def test_an_endpoint_names_its_guardrails_and_other_routes_are_free_of_them():
    async with double() as up, gateway("", config=with_endpoint(up.url, "no-secrets")) as running:
        assert_blocked(await asked(running, request("/tools", body=said("hunter2"))))
        assert not up.requests
        assert (await asked(running, request("/tools", body=said("fine")))).status == 200
        assert (await asked(running, request(body=said("hunter2")))).status == 200
    assert len(up.requests) == 2


def test_a_guardrail_that_an_endpoint_names_and_nobody_has_is_a_mistake():
    with pytest.raises(
        ConfigError, match=r"endpoints\[0\].guardrails: there is no guardrail 'no-secret' .*mean 'no-secrets'"
    ):
        with_endpoint("http://127.0.0.1:9", "no-secret")
