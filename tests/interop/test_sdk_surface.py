"""Every network method of google-genai, three releases, all modes, sync and async, over HTTP and HTTPS.

The rows and their request lines are in `sdk_surface/rows.py`, what is asserted of the answers in its `play_*` modules.
"""

import asyncio
import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from interop.sdk_surface.coverage import PAGE, page, verdict
from interop.sdk_surface.rows import MODES, ROWS, Row, is_sent
from interop.sdk_surface.runs import KINDS, NEWEST, SIMULATOR, Kind, Runs, played
from understudy.home import prepared_home
from understudy.processes import running

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

LEAST_SHARE = 0.95


@pytest.fixture(scope="module")
def home() -> Path:
    return prepared_home(os.environ)


@pytest.fixture(scope="module")
def runs(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Runs]:
    folder = tmp_path_factory.mktemp("surface")
    with running("simulator", SIMULATOR, os.environ, folder / "log") as up:
        yield Runs(home, up.ready, folder)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_row(kind: Kind, row: Row, runs: Runs):
    wrong = verdict(row, kind, runs.of(kind)[row.id])
    assert not wrong, wrong


def test_every_row_is_there_once():
    """The numbers of rows that the surface has, family by family."""
    ids = [row.id for row in ROWS]
    families = {"m": 21, "c": 5, "f": 7, "b": 7, "t": 5, "a": 2, "fs": 10, "o": 2, "i": 6, "ag": 4, "cr": 5, "d": 1}
    families |= {"e": 7, "tr": 7, "v": 4, "w": 7}
    assert len(set(ids)) == len(ids)
    assert {f"{family}{number + 1}" for family, count in families.items() for number in range(count)} <= set(ids)


def test_the_page_of_the_docs_says_what_was_found(runs: Runs):
    assert PAGE.read_text("utf-8") == page(runs), "run `make client-coverage`"


@pytest.mark.parametrize(
    ("pattern", "sent", "is_right"),
    [
        ("GET /{v}/{P}files/{f} +", ["GET /v1beta1/files/a b".replace(" b", "")] * 2, True),
        ("GET /{v}/{P}files/{f}", ["GET /v1beta1/files/a"] * 2, False),
        ("GET /{v}/{P}files/{f}", ["GET /v1/files/a"], False),
        ("GET /{v}/{P}files/{f}", ["GET /v1beta1/files/b"], False),
        ("GET /x?pageToken=*", ["GET /x?pageToken=abc%3D"], True),
        ("GET /x?pageToken=*", ["GET /x?pageToken=abc&more=1"], False),
        ("GET /x ; GET /y ?", ["GET /x"], True),
        ("GET /{unknown}", ["GET /"], False),
    ],
)
def test_lines_are_compared(pattern: str, sent: list[str], is_right: bool):
    assert is_sent(pattern.split(" ; "), sent, {"f": "a"}, NEWEST, "express") is is_right


@contextmanager
def a_server_that_answers_nothing() -> Generator[str]:
    """A server in a thread of its own that answers `{}` to everything; its address."""
    loop = asyncio.new_event_loop()

    async def nothing(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    async def started() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", nothing)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        runner, port = asyncio.run_coroutine_threadsafe(started(), loop).result(30)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_answers_nothing_fails_the_rows(mode: str, home: Path):
    """Values are looked at: of the rows that make a request, 95 of 100 fail though every request is answered."""
    kind = Kind(NEWEST, mode, is_async=False, is_tls=False)
    with a_server_that_answers_nothing() as address:
        found = played(kind, home, address, None, None)
    asking = [row.id for row in ROWS if row.lines(kind.version, kind.mode) is not None]
    passed = [name for name in asking if found[name].outcome != "failed"]
    assert asking
    assert len(passed) <= (1 - LEAST_SHARE) * len(asking), passed


def test_each_release_plays_the_same_rows(runs: Runs):
    for kind in KINDS:
        assert set(runs.of(kind)) == {row.id for row in ROWS}, kind


def test_ids_of_rows_are_those_of_plays():
    """A play without a row would never be judged."""
    folder = Path(__file__).parent / "sdk_surface"
    source = "".join((folder / f"play_{name}.py").read_text("utf-8") for name in ("models", "resources", "next"))
    assert set(re.findall(r"^async def ([a-z]+\d+)\(", source, re.M)) == {row.id for row in ROWS}
