"""The same requests get the same answers, head and body, after a reset; parallel scopes do not touch one another."""

import asyncio
import json
from urllib.parse import urlsplit

from simulator_rig import BEARER, FLASH, KEY, VERTEX_FLASH, ask, simulator

from understudy_simulator.clock import ManualClock

HELLO = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
TOOLS = HELLO | {
    "contents": [{"role": "user", "parts": [{"text": "call get_weather"}]}],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}
            ]
        }
    ],
}
CLAUDE = "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict"
CHAT = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
}
BATCH = {"batch": {"inputConfig": {"requests": {"requests": [{"request": HELLO}]}}}}
START = (("X-Goog-Upload-Protocol", "resumable"), ("X-Goog-Upload-Command", "start"))
LAST = (("X-Goog-Upload-Command", "upload, finalize"), ("X-Goog-Upload-Offset", "0"))


async def play(url, *fields):
    """A request of every family, in order; gives all answers, heads and bodies."""
    seen = []

    async def said(method, target, *more, body=None, credentials=KEY):
        answer = await ask(url, method, target, credentials, *fields, *more, body=body)
        seen.append((method, target.partition("?upload_id")[0], answer.status, answer.headers, answer.body))
        return answer

    await said("POST", f"{FLASH}:generateContent", body=HELLO)
    await said("POST", f"{FLASH}:generateContent", body=HELLO)
    await said("POST", f"{FLASH}:streamGenerateContent?alt=sse", body=HELLO)
    await said("POST", f"{FLASH}:streamGenerateContent", body=HELLO)
    await said("POST", f"{FLASH}:generateContent", body=TOOLS)
    await said("POST", f"{FLASH}:countTokens", body=HELLO)
    await said("POST", f"{FLASH}:generateContent", body={"contents": [], "colour": 1})
    await said("POST", f"{VERTEX_FLASH}:generateContent", body=HELLO, credentials=BEARER)
    await said("POST", "/v1beta/models/gemini-embedding-001:embedContent", body={"content": HELLO["contents"][0]})
    start = await said("POST", "/upload/v1beta/files", *START, body={"file": {"displayName": "f"}})
    target = urlsplit(start.values("x-goog-upload-url")[0])
    upload = await said("POST", f"{target.path}?{target.query}", *LAST, body=b"bytes")
    await said("GET", f"/v1beta/{upload.json['file']['name']}")
    cache = await said("POST", "/v1beta/cachedContents", body={"model": "models/gemini-2.5-flash", **HELLO})
    await said("PATCH", f"/v1beta/{cache.json['name']}", body={"ttl": "90s"})
    await said("GET", "/v1beta/cachedContents")
    batch = await said("POST", f"{FLASH}:batchGenerateContent", body=BATCH)
    for _ in range(3):
        await said("GET", f"/v1beta/{batch.json['name']}")
    film = {"instances": [{"prompt": "a lighthouse"}]}
    operation = await said("POST", "/v1beta/models/veo-3.0-generate-001:predictLongRunning", body=film)
    for _ in range(2):
        await said("GET", f"/v1beta/{operation.json['name']}")
    await said("POST", "/v1beta/interactions", body={"model": "gemini-3-flash", "input": "hi"})
    await said("POST", "/v1beta/openai/chat/completions", body=CHAT)
    await said("POST", CLAUDE, body=MESSAGE, credentials=BEARER)
    await said("GET", "/v1beta/models?pageSize=3")
    await said("GET", "/nothing")
    return seen


async def test_after_a_reset_everything_is_as_it_was():
    async with simulator(clock=ManualClock()) as running:
        first = await play(running.http_url)
        assert all(status < 500 for _, _, status, _, _ in first)
        running.stage.reset()
        assert await play(running.http_url) == first


async def test_another_simulator_of_the_same_seed_says_the_same_and_another_seed_does_not():
    answers = []
    for seed in (1, 1, 2):
        async with simulator(clock=ManualClock(), seed=seed, file_host="https://files.example") as running:
            seen = await play(running.http_url)
            # With its colon: the digits alone may stand in an id.
            port = f":{urlsplit(running.http_url).port}"
            answers.append(json.dumps([[str(part).replace(port, ":PORT") for part in one] for one in seen]))
    assert answers[0] == answers[1] != answers[2]


async def test_scopes_side_by_side_are_as_each_by_itself():
    async with simulator(clock=ManualClock()) as running:

        async def alone(scope):
            seen = await play(running.http_url, ("x-understudy-scope", scope))
            running.stage.reset(scope)
            return seen

        apart = [await alone(scope) for scope in ("one", "two")]
        together = await asyncio.gather(
            *(play(running.http_url, ("x-understudy-scope", scope)) for scope in ("one", "two"))
        )
        assert together == apart
        assert apart[0] != apart[1]
