"""The client of the control API, against the simulator's own control side over a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from understudy.control import Control, Scope
from understudy.errors import TargetError
from understudy.library import load
from understudy.messages import Transcript
from understudy.secret import Secret
from understudy_simulator.clock import ManualClock
from understudy_simulator.control import ControlSide
from understudy_simulator.service_account import ServiceAccount
from understudy_simulator.settings import SimulatorSettings
from understudy_simulator.stage import Stage

ACCOUNT = ServiceAccount.generate()
DOCUMENT = {
    "id": "test/one",
    "title": "One answer",
    "surface": "gemini",
    "model": "gemini-2.5-flash",
    "server": [{"reply": {"status": 200, "json": {}}}],
}


@asynccontextmanager
async def served(handler) -> AsyncIterator[str]:
    """The URL of a server with that one handler."""
    runner = web.ServerRunner(web.Server(handler, access_log=None))
    await runner.setup()
    try:
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def simulated(key: Secret | None = None) -> AsyncIterator[str]:
    """The URL of a simulator's control side."""
    stage = Stage(SimulatorSettings(control_key=key), ManualClock(), ACCOUNT)
    async with served(ControlSide(stage, load).handle) as url:
        yield url


async def test_what_is_played_is_armed_in_its_scope_and_gone_after_a_reset() -> None:
    def converse(url: str) -> None:
        with Control(url) as control:
            assert control.health()["status"] == "ok"
            control.play(DOCUMENT, scope="mine", times=2, speed=0)
            assert Scope("mine", 0, ("test/one",), ()) in control.scopes()
            control.reset("mine")
            assert [scope.name for scope in control.scopes()] == [""]
            assert control.transcript() == Transcript()
            assert control.transcript("mine") == Transcript()

    async with simulated() as url:
        await asyncio.to_thread(converse, url)


async def test_time_is_moved_and_the_transcripts_epoch_stays() -> None:
    def converse(url: str) -> None:
        with Control(url + "/") as control:
            before = control.clock()
            after = control.advance(90)
            assert after.now - before.now == timedelta(seconds=90)
            assert before.epoch == after.epoch == datetime(2026, 1, 1, tzinfo=UTC)

    async with simulated() as url:
        await asyncio.to_thread(converse, url)


async def test_a_refusal_is_told_in_the_simulators_words() -> None:
    def converse(url: str) -> None:
        with Control(url) as control, pytest.raises(TargetError) as caught:
            control.play({**DOCUMENT, "servr": []})
        assert "play was refused (HTTP 400)" in str(caught.value)
        assert "did you mean 'server'?" in str(caught.value)

    async with simulated() as url:
        await asyncio.to_thread(converse, url)


async def test_the_control_key_opens() -> None:
    def converse(url: str) -> None:
        with Control(url, Secret("k" * 20)) as control:
            assert control.health()["status"] == "ok"
        with Control(url) as control, pytest.raises(TargetError, match="HTTP 401"):
            control.health()

    async with simulated(Secret("k" * 20)) as url:
        await asyncio.to_thread(converse, url)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "was not answered in JSON"),
        (b"[]", "out of contract"),
        (b"{}", "not in the documented form"),
        (b'{"now": "yesterday", "monotonic_s": 1}', "not in the documented form"),
    ],
)
async def test_a_stranger_at_the_address_is_a_target_error(body: bytes, words: str) -> None:
    async def strange(request: web.BaseRequest) -> web.Response:
        return web.Response(body=body)

    def converse(url: str) -> None:
        with Control(url) as control, pytest.raises(TargetError, match=words):
            control.clock()

    async with served(strange) as url:
        await asyncio.to_thread(converse, url)


async def test_scopes_out_of_contract_are_a_target_error() -> None:
    async def strange(request: web.BaseRequest) -> web.Response:
        return web.json_response({"scopes": [{"name": "x"}]})

    def converse(url: str) -> None:
        with Control(url) as control, pytest.raises(TargetError, match="the scopes are not"):
            control.scopes()

    async with served(strange) as url:
        await asyncio.to_thread(converse, url)


def test_nobody_there_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Control(url) as control, pytest.raises(TargetError, match="nothing listens there") as caught:
        control.health()
    assert "\n" not in str(caught.value)


def test_a_silent_server_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Control(url, timeout_s=0.2) as control, pytest.raises(TargetError, match="no answer in time"):
            control.health()


def test_what_is_no_url_is_a_target_error() -> None:
    for url in ("localhost:8901", "no-scheme"):
        with Control(url) as control, pytest.raises(TargetError) as caught:
            control.health()
        assert str(caught.value) == f"{url}: the simulator cannot be reached: not a URL; it must begin with http://"


def test_proxies_do_not_stand_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Control(url, timeout_s=0.2) as control, pytest.raises(TargetError, match="no answer in time"):
            control.health()
