"""`--root-path`: the prefix of the gateway's own, from the command line, also after a hangup and in workers (URL-6)."""

import asyncio
import signal

import pytest
from gateway_process import ask, process, refused
from gateway_stand import request
from upstream_double import double

TARGET = "/gemini/v1beta/models/m:generateContent"


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "two workers"])
async def test_the_prefix_of_the_command_line_wins_and_stays(tmp_path, options):
    environ = {"SERVER_ROOT_PATH": "/other"}
    async with double() as up, process(tmp_path, up.url, "--root-path", "/llm/", *options, environ=environ) as running:
        statuses = [(await ask(running.http, request(prefix + TARGET))).status for prefix in ("/llm", "", "/other")]
        running.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while "the configuration was read anew" not in running.said:  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.02)
        again = [(await ask(running.http, request(prefix + TARGET))).status for prefix in ("/llm", "/other")]
    assert (statuses, again) == ([200, 200, 404], [200, 404])
    assert {seen.target.decode() for seen in up.requests} == {TARGET.removeprefix("/gemini")}


async def test_a_prefix_that_is_none_is_a_mistake_at_the_start(tmp_path):
    status, said = await refused(tmp_path, "http://127.0.0.1:9", "--root-path", "llm")
    assert (status, said.strip()) == (2, "understudy: environment: SERVER_ROOT_PATH: a path such as /llm is wanted")
