"""The interactions family over real sockets: header fields, event streams, uploads, scenarios, reset."""

import json
from typing import Any

import pytest
from simulator_rig import BEARER, KEY, Answer, ask, scenario, simulator

GEMINI = "/v1beta"
VERTEX = "/v1beta1/projects/p/locations/us-central1"
EXPRESS = "/v1beta1"
HELLO = {"model": "gemini-3-flash", "input": "hello"}
FORMS = pytest.mark.parametrize(("base", "key"), [(GEMINI, KEY), (VERTEX, BEARER), (EXPRESS, KEY)])


def events_in(body: bytes) -> list[dict[str, Any]]:
    """The payloads of an event stream, read anew."""
    assert body.endswith(b"\n\n")
    events: list[dict[str, Any]] = []
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == "event: " + events[-1]["event_type"]
    return events


@FORMS
async def test_an_interaction_over_the_wire(base: str, key: tuple[str, str]) -> None:
    async with simulator() as running:
        made = await ask(running.http_url, "POST", f"{base}/interactions", key, body=HELLO)
        path = f"{base}/interactions/{made.json['id']}"
        found = await ask(running.http_url, "GET", f"{path}?stream=false", key)
        gone = await ask(running.http_url, "DELETE", path, key)
        lost = await ask(running.http_url, "GET", path, key)

    assert (made.status, made.json["status"]) == (200, "completed")
    assert made.values("content-type") == ["application/json; charset=UTF-8"]
    assert found.json == made.json
    assert (gone.status, gone.body) == (200, b"{}\n")
    assert (lost.status, lost.json["error"]["code"]) == (404, "not_found")
    assert lost.values("content-type") == ["application/json; charset=UTF-8"]


@FORMS
async def test_a_stream_over_the_wire(base: str, key: tuple[str, str]) -> None:
    async with simulator() as running:
        made = await ask(running.http_url, "POST", f"{base}/interactions", key, body={**HELLO, "stream": True})
        events = events_in(made.body)
        path = f"{base}/interactions/{events[0]['interaction']['id']}?stream=true"
        rest = await ask(running.http_url, "GET", f"{path}&last_event_id={events[4]['event_id']}", key)

    assert made.status == 200
    assert [value.partition(";")[0] for value in made.values("content-type")] == ["text/event-stream"]
    assert len(made.chunks) == len(events)
    assert events[-1]["interaction"]["status"] == "completed"
    assert events_in(rest.body) == events[5:]


async def uploaded(url: str, started: Answer, data: bytes) -> Answer:
    """Send the bytes to the URL that the start gave, without credentials, as google-genai does."""
    target = started.values("x-goog-upload-url")[0]
    assert target.startswith(url)
    command = (("X-Goog-Upload-Command", "upload, finalize"), ("X-Goog-Upload-Offset", "0"))
    return await ask(url, "POST", target.removeprefix(url), *command, body=data)


@FORMS
async def test_a_file_of_an_environment_over_the_wire(base: str, key: tuple[str, str]) -> None:
    data = bytes(range(256)) * 300
    begin = (
        ("X-Goog-Upload-Protocol", "resumable"),
        ("X-Goog-Upload-Command", "start"),
        ("X-Goog-Upload-Header-Content-Length", str(len(data))),
        ("X-Goog-Upload-Header-Content-Type", "application/octet-stream"),
    )
    version = base.split("/")[1]
    async with simulator() as running:
        url = running.http_url
        environment = (await ask(url, "POST", f"{base}/environments", key, body={})).json["id"]
        path = f"environments/{environment}/files/d/f.bin"
        started = await ask(url, "PUT", f"/upload/{version}/{path}", key, *begin)
        too_much = await uploaded(url, started, data + b"x" * 100_000)
        done = await uploaded(url, started, data)
        whole = await ask(url, "GET", f"{base}/{path}?alt=media", key)
        part = await ask(url, "GET", f"{base}/{path}?alt=media", key, ("Range", "bytes=256-511"))

    assert (started.status, started.body, started.values("x-goog-upload-status")) == (200, b"", ["active"])
    assert too_much.status == 400
    assert (done.status, done.values("x-goog-upload-status")) == (200, ["final"])
    assert done.json["files"][0]["size_bytes"] == len(data)
    assert (whole.status, whole.body) == (200, data)
    assert (part.status, part.body) == (206, bytes(range(256)))


async def test_credentials_are_asked_for_first() -> None:
    async with simulator() as running:
        made = await ask(running.http_url, "POST", f"{GEMINI}/interactions", body={"nonsense": 1})

    assert made.status in (401, 403)
    assert "status" in made.json["error"]


async def test_a_scenario_answers_in_place_of_the_model() -> None:
    told = scenario([{"reply": {"json": {"id": "v1_x"}}}], match={"path": "/v1beta/interactions", "model": "*"})
    async with simulator(strict=True) as running:
        strict = await ask(running.http_url, "POST", f"{GEMINI}/interactions", KEY, body=HELLO)
        running.stage.arm(told)
        made = await ask(running.http_url, "POST", f"{GEMINI}/interactions", KEY, body=HELLO)

    assert (made.status, made.json) == (200, {"id": "v1_x"})
    assert (strict.status, strict.values("x-understudy-error")) == (501, ["NO_SCENARIO"])


async def test_reset_forgets_what_was_made() -> None:
    async with simulator() as running:
        await ask(running.http_url, "POST", f"{GEMINI}/agents", KEY, body={"id": "a1"})
        before = await ask(running.http_url, "GET", f"{GEMINI}/agents/a1", KEY)
        reset = await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={})
        after = await ask(running.http_url, "GET", f"{GEMINI}/agents/a1", KEY)

    assert (before.status, reset.status, after.status) == (200, 200, 404)
