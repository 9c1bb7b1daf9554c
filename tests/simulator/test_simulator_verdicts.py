"""Verdicts about real clients over real sockets: what they did is in the transcript, and the control API says it."""

import asyncio
import inspect
import json
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import jsonschema
import pytest
from simulator_rig import FLASH, HELLO, KEY, ask, read_answer, scenario, simulator, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import understudy
from understudy.client_verdicts.catalogue import judge
from understudy.control import Control
from understudy.errors import TargetError
from understudy_simulator.clock import ManualClock
from understudy_simulator.control import PREFIX, ControlSide
from understudy_simulator.kept_bytes import KeptBytes
from understudy_simulator.quota_words import quota_rule
from understudy_simulator.store import Resource

GENERATE = f"{FLASH}:generateContent"
SCHEMA = json.loads(
    (Path(understudy.__file__).with_name("control_schemas") / "verdicts.response.json").read_text("utf-8")
)
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP = {"setup": {"model": "models/gemini-live-2.5-flash", "generationConfig": {"responseModalities": ["TEXT"]}}}
QUESTION = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "Hi"}]}], "turnComplete": True}}


def rules(running, scope=None):
    found = judge(running.stage.recorder.transcript(), scope=scope)
    return [verdict.rule for verdict in found]


async def on_one_connection(url, *requests):
    """Requests one after the other on one connection; their statuses."""
    place = urlsplit(url)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            statuses = []
            for target, body in requests:
                data = json.dumps(body).encode()
                head = f"POST {target} HTTP/1.1\r\nHost: h\r\n{KEY[0]}: {KEY[1]}\r\nContent-Length: {len(data)}\r\n\r\n"
                writer.write(head.encode() + data)
                statuses.append((await read_answer(reader)).status)
            return statuses
        finally:
            writer.close()


async def test_a_client_that_ignores_its_quota_is_told_so():
    async with simulator(quotas=(quota_rule("requests/minute=1"),)) as running:
        assert await on_one_connection(running.http_url, *[(GENERATE, HELLO)] * 3) == [200, 429, 429]
        first, second, third = running.stage.recorder.transcript().exchanges
        assert first.connection == second.connection == third.connection > 0
        [verdict] = judge(running.stage.recorder.transcript())
        assert (verdict.rule, verdict.exchanges) == ("retry_after_ignored", (second.id, third.id))
        assert " s after HTTP 429: POST " in verdict.why


async def test_a_client_that_waits_out_its_quota_is_right():
    clock = ManualClock()
    async with simulator(clock=clock, quotas=(quota_rule("requests/minute=1"),), retry_after=True) as running:
        assert await on_one_connection(running.http_url, *[(GENERATE, HELLO)] * 2) == [200, 429]
        clock.advance(60)
        assert await on_one_connection(running.http_url, (GENERATE, HELLO)) == [200]
        assert rules(running) == []


async def test_a_client_that_hammers():
    # Each attempt on a connection of its own, as a program does that makes a new client each time.
    async with simulator(scenarios=[scenario([{"error": "overloaded", "times": None}])]) as running:
        for _ in range(11):
            assert (await ask(running.http_url, "POST", GENERATE, KEY, body=HELLO)).status == 503
        assert "retry_storm" in rules(running)


async def test_parallel_clients_are_not_taken_for_one_that_hammers():
    async with simulator(scenarios=[scenario([{"pause": "200ms"}, {"error": "overloaded"}])], speed=1.0) as running:
        done = await asyncio.gather(*(ask(running.http_url, "POST", GENERATE, KEY, body=HELLO) for _ in range(30)))
        assert {answer.status for answer in done} == {503}
        assert rules(running) == []


async def test_a_connection_for_each_request_and_a_pool():
    async with simulator() as running:
        for number in range(12):
            body = {"contents": [{"role": "user", "parts": [{"text": f"number {number}"}]}]}
            target = f"/~alone{GENERATE}"
            assert (await ask(running.http_url, "POST", target, KEY, body=body)).status == 200
        async with aiohttp.ClientSession(headers=dict([KEY])) as pool:
            for number in range(12):
                body = {"contents": [{"role": "user", "parts": [{"text": f"number {number}"}]}]}
                async with pool.post(f"{running.http_url}/~pool{GENERATE}", json=body) as answer:
                    assert answer.status == 200
                    await answer.read()
        assert rules(running, "alone") == ["connection_per_request"]
        assert rules(running, "pool") == []


async def test_a_stream_that_broke_off_is_taken_for_whole():
    stream = {
        "stream": {
            "chunks": [
                {"json": {"candidates": [{"content": {"role": "model", "parts": [{"text": "Once upon"}]}}]}},
                {"fault": {"reset_peer": True}},
            ]
        }
    }
    reply = {"reply": {"json": {"candidates": []}}}
    async with simulator(scenarios=[scenario([stream, reply])]) as running:
        got = await ask(running.http_url, "POST", f"{FLASH}:streamGenerateContent?alt=sse", KEY, body=HELLO)
        assert not got.complete
        turns = [{"role": "model", "parts": [{"text": "Once upon"}]}, {"role": "user", "parts": [{"text": "Go on."}]}]
        await ask(running.http_url, "POST", GENERATE, KEY, body={"contents": [*HELLO["contents"], *turns]})
        assert rules(running) == ["truncated_stream_accepted"]


async def test_an_answer_is_left():
    answer = {"stream": {"chunks": [{"json": {"candidates": []}}, {"pause": "60s"}, {"json": {"candidates": []}}]}}
    async with simulator(scenarios=[scenario([answer])], speed=1.0) as running:
        place = urlsplit(running.http_url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        body = json.dumps(HELLO).encode()
        head = f"POST {FLASH}:streamGenerateContent HTTP/1.1\r\nHost: h\r\n{KEY[0]}: {KEY[1]}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(20):
            await reader.readuntil(b"candidates")
        writer.transport.abort()
        await until(lambda: running.stage.recorder.transcript().exchanges[0].failure == "client left")
        assert rules(running) == ["answer_abandoned"]


def download(running):
    """The target of a file that can be downloaded."""
    value = {"name": "files/out", "mimeType": "application/jsonl", "source": "GENERATED"}
    kept = Resource("files/out", value, running.stage.clock.now(), hidden=KeptBytes(b"0123456789"))
    running.stage.store.shelf("").put(kept)
    return "/v1beta/files/out:download?alt=media"


async def test_a_redirect_is_followed_or_not():
    async with simulator(redirects_downloads=True) as running:
        where = await ask(running.http_url, "GET", download(running), KEY)
        assert where.status == 302
        assert rules(running) == ["redirect_not_followed"]
        [location] = where.values("location")
        place = urlsplit(location)
        assert (await ask(running.http_url, "GET", f"{place.path}?{place.query}", KEY)).status == 200
        assert rules(running) == []


# ---- Live


async def converse(running, *messages, scope):
    """Say all messages at once, and listen until the server closes or has finished a turn."""
    url = f"{running.http_url.replace('http', 'ws', 1)}/~{scope}{LIVE}"
    async with asyncio.timeout(20), connect(url, additional_headers=[KEY], proxy=None, compression=None) as client:
        for message in messages:
            await client.send(json.dumps(message))
        try:
            while b"turnComplete" not in await client.recv(decode=False):
                pass
        except ConnectionClosed:
            pass


async def test_live_sessions_that_begin_badly():
    async with simulator() as running:
        await converse(running, SETUP, SETUP, scope="twice")
        chunk = {"realtime_input": {"media_chunks": [{"data": "AAA=", "mime_type": "audio/pcm"}]}}
        await converse(running, SETUP, chunk, QUESTION, scope="old")
        assert "second_setup" in rules(running, "twice")
        assert "deprecated_media_chunks" in rules(running, "old")


async def test_a_live_session_that_takes_its_time_is_right():
    async with simulator() as running:
        url = running.http_url.replace("http", "ws", 1) + LIVE
        async with asyncio.timeout(20), connect(url, additional_headers=[KEY], proxy=None) as client:
            await client.send(json.dumps(SETUP))
            await client.recv()
            await client.send(json.dumps(QUESTION))
            while b"turnComplete" not in await client.recv(decode=False):
                pass
        await until(lambda: running.stage.recorder.transcript().sessions[0].ended is not None)
        assert rules(running) == []


# ---- the control API


async def test_the_control_api_tells_them_by_scope():
    async with simulator() as running:
        for scope in ("a", "b"):
            await ask(running.http_url, "GET", f"/~{scope}/v1beta/models?key=AIza-secret")
        answer = await ask(running.admin_url, "GET", f"{PREFIX}verdicts?scope=a")
        jsonschema.validate(answer.json, SCHEMA)
        assert [(entry["rule"], entry["scope"]) for entry in answer.json["verdicts"]] == [("key_in_query", "a")]
        assert b"AIza-secret" not in answer.body
        both = await ask(running.admin_url, "GET", f"{PREFIX}verdicts")
        assert [entry["scope"] for entry in both.json["verdicts"]] == ["a", "b"]


async def test_the_client_of_the_control_api_reads_them():
    def read(url, **how):
        with Control(url) as control:
            return control.verdicts(**how)

    clock = ManualClock()
    async with simulator(clock=clock, redirects_downloads=True) as running:
        await ask(running.http_url, "GET", download(running), KEY)
        assert await asyncio.to_thread(read, running.admin_url) == ()
        [verdict] = await asyncio.to_thread(read, running.admin_url, over=True)
        assert (verdict.rule, verdict.level, verdict.scope) == ("redirect_not_followed", "warned", "")
        assert await asyncio.to_thread(read, running.admin_url, over=True, scope="x") == ()
        clock.advance(6)
        assert await asyncio.to_thread(read, running.admin_url) == (verdict,)


async def test_others_are_served_while_a_transcript_is_judged():
    async with simulator() as running:
        await ask(running.http_url, "GET", "/v1beta/models?key=AIza-secret")
        answer = ControlSide(running.stage).routes["GET", "verdicts"]({})
        assert inspect.isawaitable(answer)
        judging = asyncio.ensure_future(answer)
        # One turn of the loop is not enough: another thread does it.
        await asyncio.sleep(0)
        assert not judging.done()
        assert [entry["rule"] for entry in (await judging)["verdicts"]] == ["key_in_query"]


@pytest.mark.parametrize("query", ["over=yes", "scpoe=a"])
async def test_a_question_that_is_none_is_refused(query):
    async with simulator() as running:
        assert (await ask(running.admin_url, "GET", f"{PREFIX}verdicts?{query}")).status == 400


async def test_other_servers_have_no_verdicts():
    def read(url):
        with Control(url) as control:
            return control.verdicts()

    async with simulator() as running:
        with pytest.raises(TargetError):
            await asyncio.to_thread(read, running.http_url)
