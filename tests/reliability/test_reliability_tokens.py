"""Google tokens in trouble, R-30 to R-32: a token endpoint that is slow or down, and a token that is refused."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway_stand import asked, request
from reliability_rig import ANSWER, Clocks, of_clocks, own_error, soon, until
from test_gateway_credentials import VERTEX, key_file, vertex_config
from upstream_double import Double, Seen, Talk, double, response

LIFE_S = 1000


@dataclass
class Tokens:
    """A token endpoint that can be held up or fail; each token is another one."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False
    calls: int = 0

    async def script(self, talk: Talk, seen: Seen) -> None:
        self.calls += 1
        number = self.calls
        await self.goes_on.wait()
        if self.fails:
            await talk.send(response(b'{"error":"unavailable"}', status=b"500 Internal Server Error"))
            return
        body = {"access_token": f"ya29.{number}", "expires_in": LIFE_S, "token_type": "Bearer"}
        await talk.send(response(json.dumps(body).encode()))


async def answers(talk: Talk, seen: Seen) -> None:
    await talk.send(ANSWER)


def shown(up: Double) -> list[bytes]:
    return [value for seen in up.requests for value in seen.values(b"authorization")]


@asynccontextmanager
async def stand(**ours: object):
    tokens, clocks = Tokens(), Clocks()
    tokens.goes_on.set()
    async with double(tokens.script) as endpoint, double(answers) as up:
        config = vertex_config(up.url, key_file(f"{endpoint.url}/token"), **ours)
        async with of_clocks(config, clocks) as running, soon(30):
            yield running, tokens, clocks, up


async def test_r30_a_slow_token_endpoint_is_asked_once_while_the_old_token_serves():
    async with stand() as (running, tokens, clocks, up):
        assert (await asked(running, request(VERTEX))).status == 200
        tokens.goes_on.clear()
        clocks.passed += LIFE_S - 100  # time to renew, and the token is still good
        replies = await asyncio.gather(*(asked(running, request(VERTEX)) for _ in range(64)))
        assert {reply.status for reply in replies} == {200}
        assert set(shown(up)) == {b"Bearer ya29.1"}
        await until(lambda: tokens.calls == 2)
        tokens.goes_on.set()
        async with soon():
            while shown(up)[-1] != b"Bearer ya29.2":
                assert (await asked(running, request(VERTEX))).status == 200
        assert tokens.calls == 2


async def test_r30_without_a_good_token_many_wait_for_one_call_and_not_for_ever():
    async with stand(timeouts={"credentials_s": 0.5}) as (running, tokens, clocks, up):
        tokens.goes_on.clear()
        replies = await asyncio.gather(*(asked(running, request(VERTEX)) for _ in range(64)))
        for reply in replies:
            own_error(reply, 503, "CREDENTIALS_FAILED")
            assert int(reply.value(b"retry-after") or 0) >= 1
        assert (tokens.calls, up.requests) == (1, [])
        tokens.goes_on.set()
        clocks.passed += 120  # past any pause
        async with soon():
            while (await asked(running, request(VERTEX))).status != 200:
                clocks.passed += 60
                await asyncio.sleep(0.05)


async def test_r31_a_token_endpoint_that_is_down_is_not_asked_by_each_request_and_comes_back_by_itself():
    async with stand() as (running, tokens, clocks, up):
        assert (await asked(running, request(VERTEX))).status == 200
        tokens.fails = True
        clocks.passed += LIFE_S - 100
        await asked(running, request(VERTEX))  # asks for a new one, which fails; the old one serves
        await until(lambda: tokens.calls > 1)
        for _ in range(20):
            assert (await asked(running, request(VERTEX))).status == 200
        while_good = tokens.calls
        assert while_good <= 3
        clocks.passed += 101  # it has expired
        for _ in range(50):
            reply = await asked(running, request(VERTEX))
            own_error(reply, 503, "CREDENTIALS_FAILED")
            assert int(reply.value(b"retry-after") or 0) >= 1
        assert tokens.calls <= while_good + 3
        delays: list[int] = []
        for _ in range(6):  # each attempt that fails makes the pause longer
            clocks.passed += 100
            reply = await asked(running, request(VERTEX))
            delays.append(int(reply.value(b"retry-after") or 0))
        assert delays[-1] > delays[0]
        tokens.fails = False
        clocks.passed += 100
        assert (await asked(running, request(VERTEX))).status == 200
        assert len(up.requests) == 23


async def test_r32_a_token_that_the_provider_refuses_is_dropped_renewed_once_and_the_401_passes():
    async with stand() as (running, tokens, _clocks, up):
        assert (await asked(running, request(VERTEX))).status == 200

        async def refuses(talk: Talk, seen: Seen) -> None:
            await talk.send(response(b'{"error":{"code":401}}', status=b"401 Unauthorized"))

        up.script = refuses
        for _ in range(20):
            reply = await asked(running, request(VERTEX))
            assert (reply.status, reply.body) == (401, b'{"error":{"code":401}}')
            assert reply.value(b"x-understudy-error") is None
        assert (tokens.calls, len(up.requests)) == (2, 21)  # one new token, and no request was sent twice
        up.script = answers
        assert (await asked(running, request(VERTEX))).status == 200
        assert shown(up)[-1] == b"Bearer ya29.2"
