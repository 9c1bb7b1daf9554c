"""Retries, fallbacks and asked-for failures on a running gateway (ERR-5, ERR-6, ERR-8, S-75, LRO-8, AUTH-9)."""

import asyncio
import json
from typing import Any

import pytest
from features_stand import featured
from gateway_stand import BOOK, GENERATE, KEY, UPSTREAM_KEY, asked, client, gateway, recorded, request, usage
from hypothesis import given
from hypothesis import strategies as st
from upstream_double import Double, Seen, Talk, answering, double, response

from understudy_gateway.app import Gateway
from understudy_gateway.attempts import Again, Answered, Attempts, Elsewhere, Enough, Unsent, wait_of
from understudy_gateway.config import parse_config
from understudy_gateway.features import Retries
from understudy_gateway.listeners import Listen

GOOD = response(json.dumps({"usageMetadata": usage(10, 10)}).encode())
BUSY = response(b'{"error": {"code": 429}}', status=b"429 Too Many Requests")
COUNT = "/gemini/v1beta/models/gemini-2.5-flash:countTokens"
VIDEO = "/gemini/v1beta/models/veo-3.0-generate-001:predictLongRunning"


def refusal(status: int, *fields: bytes, body: bytes = b"no") -> bytes:
    lines = (b"HTTP/1.1 %d No" % status, b"Content-Length: %d" % len(body), *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def in_turn(*answers: bytes):
    left = list(answers)

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def retrying(url: str, most: int = 2, **retries: object):
    return featured(url, top={"router_settings": {"num_retries": most}}, retries=retries)


# --- the machine -----------------------------------------------------------------------------------------------------


def attempts(
    most: int = 2, fallbacks: int = 0, *, http_method="POST", method="generateContent", replayable=True, **more
):
    return Attempts(Retries(most, **more), fallbacks, http_method=http_method, method=method, replayable=replayable)


def test_a_request_is_sent_again_as_often_as_configured_each_time_later():
    machine = attempts(3)
    assert [machine.after(Answered(429, True)) for _ in range(4)] == [Again(0.25), Again(0.5), Again(1.0), Enough()]
    assert machine.retried == 3


def test_the_longer_of_two_waits_counts_and_one_that_is_too_long_ends_it():
    machine = attempts(5, retry_after_s=2.0, longest_wait_s=30.0)
    assert machine.after(Unsent()) == Again(2.0)
    assert machine.after(Answered(429, True, 7.0)) == Again(7.0)
    assert machine.after(Answered(429, True, 31.0)) == Enough()


def test_retries_come_before_fallbacks_and_a_wait_that_is_too_long_leads_there():
    machine = attempts(1, 2)
    found = [machine.after(Answered(503, True)) for _ in range(4)]
    assert found == [Again(0.25), Elsewhere(0), Elsewhere(1), Enough()]
    assert attempts(5, 1).after(Answered(429, True, 9999.0)) == Elsewhere(0)


@given(
    st.sampled_from([400, 401, 403, 404, 408, 413, 429, 499, 500, 502, 503, 504]),
    st.booleans(),
    st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    st.sampled_from(["generateContent", "countTokens", "predictLongRunning", "get", ""]),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2),
)
def test_what_may_have_been_executed_is_never_sent_again(status, is_whole, verb, method, replayable, most, fallbacks):
    # S-75, LRO-8
    every = frozenset({401, 408, 429, 500, 502, 503, 504})
    machine = Attempts(Retries(most, statuses=every), fallbacks, http_method=verb, method=method, replayable=replayable)
    found = machine.after(Answered(status, is_whole))
    if not isinstance(found, Enough):
        assert replayable
        assert is_whole
        assert method != "predictLongRunning"
        assert status in (401, 429, 503) or verb == "GET" or method == "countTokens"
    unsent = Attempts(Retries(most), fallbacks, http_method=verb, method=method, replayable=replayable)
    allowed = replayable and (most > 0 or (fallbacks > 0 and method != "predictLongRunning"))
    assert (unsent.after(Unsent()) != Enough()) == allowed


def test_the_start_of_a_video_is_never_sent_elsewhere():
    # LRO-8: whether the other account has made one cannot be seen from here.
    machine = Attempts(Retries(1), 2, http_method="POST", method="predictLongRunning", replayable=True)
    assert [machine.after(Unsent()) for _ in range(2)] == [Again(0.25), Enough()]


def test_a_401_is_answered_once_by_a_new_credential_and_never_by_a_fallback():
    machine = attempts(5, 2, statuses=frozenset({401}))
    assert machine.after(Answered(401, True)) == Again(0.0, renewed=True)
    assert machine.after(Answered(401, True)) == Enough()
    assert attempts(5, 2).after(Answered(401, True)) == Enough()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], None),
        ([(b"Retry-After", b" 7 ")], 7.0),
        ([(b"retry-after", b"99999999999999")], 999999999.0),
        ([(b"retry-after", b"-7")], None),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"Fri, 31 Jul 2026 12:00:10 GMT"), (b"date", b"Fri, 31 Jul 2026 12:00:00 GMT")], 10.0),
        ([(b"retry-after", b"Fri, 31 Jul 2026 12:00:00 GMT"), (b"date", b"Fri, 31 Jul 2026 12:00:10 GMT")], 0.0),
        ([(b"retry-after", b"Fri, 31 Jul 2026 12:00:10 GMT")], None),
    ],
)
def test_retry_after_as_a_number_or_a_time(fields, expected):
    assert wait_of(tuple(fields)) == expected


# --- retries on the wire ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_refused_request_is_sent_again_with_the_same_bytes_and_the_client_is_told(chunked):
    body = b'{"a": 1,  "a": 2}'
    sent = request(body=body)
    if chunked:
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = head.encode() + b"5\r\n" + body[:5] + b"\r\n%x\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n"
    async with double(in_turn(BUSY, GOOD)) as up, gateway("", config=retrying(up.url)) as running:
        reply = await asked(running, sent)
        (record,) = await recorded(running)
    assert (reply.status, reply.value(b"x-litellm-attempted-retries")) == (200, b"1")
    assert [seen.body for seen in up.requests] == [body, body]
    assert [(name, value) for name, value in up.requests[0].fields] == list(up.requests[1].fields)
    assert record.known == "exact"
    assert record.usage["promptTokenCount"] == 10
    assert up.connections == 1


async def test_without_configuration_nothing_is_ever_sent_again():
    async with double(in_turn(BUSY, GOOD)) as up, gateway(up.url) as running:
        reply = await asked(running, request())
    assert (reply.status, reply.value(b"x-litellm-attempted-retries"), len(up.requests)) == (429, None, 1)


async def test_the_last_refusal_passes_as_it_came():
    # ERR-1
    odd = refusal(429, b"Retry-After: 0", b"X-Odd: a", b"x-odd: b", body=b"<html>no</html>")
    async with double(answering(odd)) as up, gateway("", config=retrying(up.url)) as running:
        reply = await asked(running, request())
    assert (reply.status, reply.body, len(up.requests)) == (429, b"<html>no</html>", 3)
    assert reply.fields[:4] == [(b"Content-Length", b"15"), (b"Retry-After", b"0"), (b"X-Odd", b"a"), (b"x-odd", b"b")]
    assert reply.value(b"x-litellm-attempted-retries") == b"2"


@pytest.mark.parametrize("status", [400, 404, 408, 500, 502, 504])
async def test_an_answer_that_says_nothing_of_what_was_executed_is_the_clients(status):
    async with double(answering(refusal(status))) as up:
        config = retrying(up.url, statuses=[408, 429, 500, 502, 503, 504])
        async with gateway("", config=config) as running:
            assert (await asked(running, request())).status == status
            assert len(up.requests) == 1
            if status not in (400, 404):  # what costs nothing may be asked twice
                assert (await asked(running, request(COUNT))).status == status
                assert len(up.requests) == 4


async def test_a_wait_that_the_provider_asks_for_is_kept_and_one_too_long_is_the_clients():
    async with (
        double(in_turn(refusal(503, b"Retry-After: 3600"), GOOD)) as up,
        gateway("", config=retrying(up.url)) as running,
    ):
        reply = await asked(running, request())
    assert (reply.status, reply.value(b"retry-after"), len(up.requests)) == (503, b"3600", 1)
    async with (
        double(in_turn(refusal(503, b"Retry-After: 1"), GOOD)) as up,
        gateway("", config=retrying(up.url)) as running,
    ):
        began = asyncio.get_running_loop().time()
        assert (await asked(running, request())).status == 200
        assert asyncio.get_running_loop().time() - began >= 1  # never sooner; how much later is not asked


async def test_a_refusal_that_breaks_off_or_is_long_is_no_reason_to_send_again():
    async def breaks(talk: Talk, seen: Seen) -> None:
        await talk.send(b"HTTP/1.1 429 No\r\nContent-Length: 100\r\n\r\nhalf of it")
        talk.reset()

    async with double(breaks) as up, gateway("", config=retrying(up.url)) as running:
        reply = await asked(running, request())
    assert (reply.status, reply.body, reply.is_whole, len(up.requests)) == (429, b"half of it", False, 1)
    long = refusal(429, body=b"x" * 200_000)
    async with double(answering(long)) as up, gateway("", config=retrying(up.url)) as running:
        reply = await asked(running, request())
    assert (len(reply.body), reply.is_whole, len(up.requests)) == (200_000, True, 1)


async def test_an_answer_that_never_comes_is_not_asked_for_again():
    async def silent(talk: Talk, seen: Seen) -> None:
        talk.reset()

    async with double(silent) as up, gateway("", config=retrying(up.url)) as running:
        reply = await asked(running, request())
    assert (reply.status, reply.reason, len(up.requests)) == (502, "UPSTREAM_BROKE", 1)


async def test_the_client_is_told_of_attempts_that_all_failed():
    async with double() as gone:
        closed = gone.url
    async with gateway("", config=retrying(closed, 1)) as running:
        reply = await asked(running, request())
    assert (reply.reason, reply.value(b"x-litellm-attempted-retries")) == ("UNREACHABLE", b"1")


async def test_a_body_larger_than_what_is_held_is_sent_once():
    async with double(answering(BUSY)) as up, gateway("", config=retrying(up.url, body_bytes=1000)) as running:
        reply = await asked(running, request(body=b"x" * 200_000))
    assert (reply.status, len(up.requests), len(up.requests[0].body)) == (429, 1, 200_000)


async def test_a_video_is_never_started_twice():
    # LRO-8
    async with double(in_turn(BUSY, GOOD)) as up, gateway("", config=retrying(up.url)) as running:
        assert (await asked(running, request(VIDEO))).status == 429
    assert len(up.requests) == 1


@pytest.mark.parametrize("target", [GENERATE, VIDEO])
async def test_a_connection_that_failed_before_a_byte_was_sent_is_tried_again(target):
    async with double() as up:
        closed = up.url
    provider = Double(answering(GOOD))
    async with gateway("", config=retrying(closed, 5)) as running:
        asking = asyncio.create_task(asked(running, request(target)))
        await asyncio.sleep(0.1)  # a refused connection is noticed in a fraction of that, and tried again after more
        host, _, port = closed.removeprefix("http://").partition(":")
        serving = await asyncio.start_server(provider.serve, host, int(port))
        try:
            async with asyncio.timeout(20):
                reply = await asking
        finally:
            serving.close()
    assert reply.status == 200
    assert int(reply.value(b"x-litellm-attempted-retries") or 0) >= 1


async def test_a_client_that_leaves_while_it_waits_is_waited_for_no_longer():
    async with (
        double(answering(refusal(429, b"Retry-After: 30"))) as up,
        gateway("", config=retrying(up.url)) as running,
    ):
        async with client(running) as talk:
            await talk.send(request())
            while not up.requests:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            talk.leave()
        (record,) = await recorded(running)
    assert (record.outcome, record.cost, len(up.requests)) == ("client_abort", 0, 1)


async def test_a_new_token_is_shown_once_where_that_is_configured():
    # AUTH-9, R-32: the test's credential is a fixed key, which is no other the second time.
    async with double(answering(refusal(401))) as up, gateway("", config=retrying(up.url, statuses=[401])) as running:
        reply = await asked(running, request())
    assert (reply.status, len(up.requests), reply.value(b"x-litellm-attempted-retries")) == (401, 1, b"0")


class Tokens:
    """A credential that has another token each time the last one was rejected."""

    def __init__(self) -> None:
        self.number = 1

    async def headers(self):
        return ((b"Authorization", b"Bearer token-%d" % self.number),)

    def rejected(self) -> None:
        self.number += 1

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("statuses", "count"), [([401], 2), ([429], 1)])
async def test_after_a_401_the_token_is_dropped_and_the_request_sent_again_only_where_configured(statuses, count):
    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(GOOD if seen.values(b"authorization") == [b"Bearer token-2"] else refusal(401))

    async with double(script) as up, gateway("", config=retrying(up.url, statuses=statuses)) as running:
        running._dispatcher.serving.http._credentials["gemini"] = Tokens()  # pyright: ignore
        first = await asked(running, request())
        assert (await asked(running, request())).status == 200
    assert first.status == (200 if count == 2 else 401)
    assert len(up.requests) == count + 1


# --- fallbacks -------------------------------------------------------------------------------------------------------


def entry(name: str, model: str, **params: object) -> dict[str, object]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


def falling(first: str, second: str, *, most: int = 0, **more: Any):
    """A gateway whose own account is at `first`, with one of each provider at `second`."""
    models = [
        entry("flash", "gemini/gemini-2.5-flash"),
        entry("spare", "gemini/gemini-2.5-flash", api_key="AIza-spare", api_base=second),
        entry("vertex/eu", "vertex_ai/gemini-2.5-flash-eu", api_base=second, api_key="AIza-vertex"),
    ]
    router: dict[str, object] = {"num_retries": most, "fallbacks": [{"flash": ["spare", "vertex/eu"]}]}
    return featured(first, top={"model_list": models, "router_settings": router}, **more)


async def test_a_refused_request_goes_to_the_fallback_with_its_credential_and_the_label_is_told():
    body = b'{"contents":  []}'
    async with (
        double(answering(BUSY)) as up,
        double(answering(GOOD)) as spare,
        gateway("", config=falling(up.url, spare.url)) as running,
    ):
        reply = await asked(running, request(GENERATE + "?a=1&a=2", body=body))
    assert (reply.status, len(up.requests), len(spare.requests)) == (200, 1, 1)
    assert reply.value(b"x-understudy-fallback") == b"spare"
    assert reply.value(b"x-litellm-attempted-fallbacks") == b"1"
    seen = spare.requests[0]
    assert (seen.target, seen.body) == (GENERATE.removeprefix("/gemini").encode() + b"?a=1&a=2", body)
    # AUTH-6, AUTH-5: one credential, the fallback's own; the first account's stays where it belongs.
    assert seen.values(b"x-goog-api-key") == [b"AIza-spare"]
    assert UPSTREAM_KEY.encode() not in seen.head
    assert KEY.encode() not in seen.head
    assert b"127.0.0.1" not in reply.head  # HDR-9


async def test_another_provider_is_asked_in_its_own_words_and_its_prices_count():
    async def second(talk: Talk, seen: Seen) -> None:
        await talk.send(GOOD if b"projects" in seen.target or b"publishers" in seen.target else BUSY)

    async with (
        double(answering(BUSY)) as up,
        double(second) as spare,
        gateway("", config=falling(up.url, spare.url)) as running,
    ):
        reply = await asked(running, request())
        (record,) = await recorded(running)
    assert (reply.status, reply.value(b"x-understudy-fallback")) == (200, b"vertex/eu")
    assert reply.value(b"x-litellm-attempted-fallbacks") == b"2"
    assert spare.requests[1].values(b"x-goog-api-key") == [b"AIza-vertex"]
    assert spare.requests[1].target == b"/v1beta1/publishers/google/models/gemini-2.5-flash-eu:generateContent"
    assert (record.provider, record.model) == ("vertex_ai", "gemini-2.5-flash-eu")


async def test_another_region_is_asked_by_its_path():
    def config(url: str):
        models = [
            entry(
                "here",
                "vertex_ai/gemini-2.5-flash",
                vertex_project="p",
                vertex_location="us-central1",
                api_key="k" * 20,
            ),
            entry(
                "there",
                "vertex_ai/gemini-2.5-flash",
                vertex_project="q",
                vertex_location="europe-west4",
                vertex_credentials=KEY_FILE,
            ),
        ]
        document = {
            "model_list": models,
            "litellm_settings": {"fallbacks": [{"vertex_ai/gemini-2.5-flash": ["there"]}]},
            "understudy_settings": {"keys": [{"id": "team", "key": KEY}]},
        }
        return parse_config(document, {"VERTEXAI_API_BASE": url})

    async def script(talk: Talk, seen: Seen) -> None:
        await talk.send(GOOD if b"europe-west4" in seen.target else BUSY)

    target = "/vertex_ai/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent"
    async with double(script) as up, gateway("", config=config(up.url)) as running:
        running._dispatcher.serving.http._credentials["model_list[1]"] = Tokens()  # pyright: ignore
        reply = await asked(running, request(target))
    assert (reply.status, reply.value(b"x-understudy-fallback")) == (200, b"there")
    assert up.requests[1].target == target.removeprefix("/vertex_ai").encode().replace(
        b"/p/locations/us-central1", b"/q/locations/europe-west4"
    )
    assert up.requests[1].values(b"authorization") == [b"Bearer token-1"]
    assert up.requests[1].values(b"x-goog-api-key") == []


KEY_FILE = {
    "type": "service_account",
    "client_email": "a@example.iam.gserviceaccount.com",
    "private_key": "none",
    "token_uri": "http://127.0.0.1:1/token",
}


@pytest.mark.parametrize(
    ("target", "status"),
    [(GENERATE, 500), (GENERATE, 400), (GENERATE, 404), (GENERATE, 401), (VIDEO, 429), ("/gemini/v1beta/files/x", 503)],
)
async def test_what_may_have_been_executed_or_belongs_to_the_account_stays_there(target, status):
    async with (
        double(answering(refusal(status))) as up,
        double(answering(GOOD)) as spare,
        gateway("", config=falling(up.url, spare.url)) as running,
    ):
        reply = await asked(running, request(target))
    assert (reply.status, len(up.requests), len(spare.requests)) == (status, 1, 0)
    assert reply.value(b"x-understudy-fallback") is None


async def test_retries_come_first_and_a_dead_provider_is_left():
    async with double() as gone:
        closed = gone.url
    async with double(answering(GOOD)) as spare, gateway("", config=falling(closed, spare.url, most=1)) as running:
        reply = await asked(running, request())
    assert (reply.status, reply.value(b"x-litellm-attempted-retries")) == (200, b"1")
    assert reply.value(b"x-understudy-fallback") == b"spare"


async def test_default_fallbacks_are_for_models_without_their_own():
    def config(first, second):
        models = [entry("spare", "gemini/gemini-2.5-flash-lite", api_key="AIza-spare", api_base=second)]
        return featured(first, top={"model_list": models}, litellm={"default_fallbacks": ["spare"]})

    async with (
        double(answering(BUSY)) as up,
        double(answering(GOOD)) as spare,
        gateway("", config=config(up.url, spare.url)) as running,
    ):
        assert (await asked(running, request())).status == 200
    assert spare.requests[0].target == b"/v1beta/models/gemini-2.5-flash-lite:generateContent"


# --- failures that are asked for -------------------------------------------------------------------------------------


def mocking(url: str, **more: object):
    return featured(url, mock_testing=True, **more)  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("rate-limit-error", 429, "MOCK_RATE_LIMIT"),
        ("fallbacks", 503, "MOCK_UNAVAILABLE"),
        ("context-fallbacks", 400, "MOCK_CONTEXT_WINDOW"),
        ("content-policy-fallbacks", 400, "MOCK_CONTENT_POLICY"),
    ],
)
async def test_a_failure_can_be_asked_for_where_it_is_switched_on(name, status, reason):
    async with double() as up, gateway("", config=mocking(up.url)) as running:
        reply = await asked(running, request(headers={f"X-Mock-Testing-{name}": "True"}))
        assert (reply.status, reply.reason) == (status, reason)
        assert not up.requests
        # HDR-5: such fields are the gateway's own, whatever they say.
        assert (
            await asked(running, request(headers={f"x-mock-testing-{name}": "no", "X-MOCK-testing-z": "1"}))
        ).status == 200
        assert b"mock" not in up.requests[0].head.lower()


async def test_a_mocked_failure_tries_the_retries_and_the_fallbacks():
    async with double() as up, double(answering(GOOD)) as spare:
        config = falling(up.url, spare.url, most=1, mock_testing=True)
        async with gateway("", config=config) as running:
            reply = await asked(running, request(headers={"x-mock-testing-fallbacks": "true"}))
    assert (reply.status, reply.value(b"x-understudy-fallback"), len(up.requests)) == (200, b"spare", 0)
    assert reply.value(b"x-litellm-attempted-retries") == b"1"


async def test_where_it_is_off_such_headers_and_in_bodies_such_words_are_data():
    # ERR-8, BODY-2
    body = b'{"mock_testing_rate_limit_error": true, "mock_testing_fallbacks": true, "mock_response": "x"}'
    headers = {"x-mock-testing-rate-limit-error": "true"}
    for config in (featured, lambda url: featured(url, stream_error_event=True)):
        async with double() as up, gateway("", config=config(up.url)) as running:
            assert (await asked(running, request(headers=headers, body=body))).status == 200
        assert up.requests[0].values(b"x-mock-testing-rate-limit-error") == [b"true"]
    async with double() as up, gateway("", config=mocking(up.url)) as running:
        assert (await asked(running, request(body=body))).status == 200
    assert up.requests[0].body == body


@pytest.mark.parametrize("name", ["x-pass-x-mock-testing-fallbacks", "X-Pass-X_Mock_Testing_y"])
async def test_such_a_header_cannot_be_set_by_x_pass(name):
    # HDR-4
    async with double() as up, gateway("", config=mocking(up.url)) as running:
        reply = await asked(running, request(headers={name: "true"}))
    assert (reply.status, reply.reason, len(up.requests)) == (400, "HEADER_DENIED", 0)


async def test_a_gateway_without_features_serves_by_the_plain_path():
    # What is off costs nothing: it is decided when the configuration is read.
    async with Gateway(featured("http://127.0.0.1:1"), Listen(), book=BOOK) as running:
        assert type(running._dispatcher.serving.http).__name__ == "HttpPassthrough"
        assert type(running._dispatcher.serving.live).__name__ == "LivePassthrough"
