"""Batches, jobs, stores and tokens over real sockets: routes, credentials, scopes, reset, the moving clock."""

import json

from resource_rig import P
from simulator_rig import BEARER, KEY, ask, simulator

from understudy_simulator.clock import ManualClock

CREATE = "/v1/models/gemini-2.5-flash:batchGenerateContent"
BATCH = {
    "batch": {"inputConfig": {"requests": {"requests": [{"request": {"contents": [{"parts": [{"text": "hi"}]}]}}]}}}
}


async def test_a_batch_on_the_wire_expires_by_the_clock_and_is_forgotten_by_reset():
    clock = ManualClock()
    async with simulator(clock=clock) as running:
        made = await ask(running.http_url, "POST", CREATE, KEY, body=BATCH)
        assert made.status == 200, made.body
        name = made.json["name"]
        states = [(await ask(running.http_url, "GET", f"/v1/{name}", KEY)).json["metadata"]["state"] for _ in range(3)]
        assert states == ["BATCH_STATE_RUNNING", "BATCH_STATE_SUCCEEDED", "BATCH_STATE_SUCCEEDED"]
        late = (await ask(running.http_url, "POST", CREATE, KEY, body=BATCH)).json["name"]
        clock.advance(48 * 3600)
        found = await ask(running.http_url, "GET", f"/v1/{late}", KEY)
        assert found.json["metadata"]["state"] == "BATCH_STATE_EXPIRED"
        reset = await ask(running.admin_url, "POST", "/__understudy__/v1/reset", body={})
        assert reset.status == 200
        again = await ask(running.http_url, "POST", CREATE, KEY, body=BATCH)
        assert again.json["name"] == name
        assert (await ask(running.http_url, "GET", f"/v1/{late}", KEY)).status == 404
        assert len((await ask(running.http_url, "GET", "/v1/batches", KEY)).json["operations"]) == 1


async def test_credentials_and_descriptions_are_checked_before_anything_is_made():
    async with simulator() as running:
        assert (await ask(running.http_url, "POST", CREATE, body=BATCH)).status == 403
        wrong = {"batch": {"inputConfig": {"requests": {"requests": [{"request": {"colour": 1}}]}}}}
        refused = await ask(running.http_url, "POST", CREATE, KEY, body=wrong)
        assert refused.status == 400
        assert "batch.input_config.requests.requests[0].request" in refused.json["error"]["message"]
        assert (await ask(running.http_url, "GET", "/v1/batches", KEY)).json == {}


async def test_scopes_of_the_path_keep_their_resources_apart():
    async with simulator() as running:
        for scope in ("a", "b"):
            assert (await ask(running.http_url, "POST", f"/~{scope}/v1/fileSearchStores", KEY, body={})).status == 200
        (store,) = (await ask(running.http_url, "GET", "/~a/v1/fileSearchStores", KEY)).json["fileSearchStores"]
        assert (await ask(running.http_url, "GET", f"/~b/v1/{store['name']}", KEY)).status == 404
        assert (await ask(running.http_url, "GET", f"/~a/v1/{store['name']}", KEY)).json == store


async def test_jobs_of_vertex_ai_want_a_bearer_and_live_below_their_project():
    body = {"baseModel": "gemini-2.5-flash", "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}
    async with simulator() as running:
        assert (await ask(running.http_url, "POST", f"/v1beta1/{P}/tuningJobs", KEY, body=body)).status == 401
        made = (await ask(running.http_url, "POST", f"/v1beta1/{P}/tuningJobs", BEARER, body=body)).json
        for _ in range(2):
            done = (await ask(running.http_url, "GET", f"/v1beta1/{made['name']}", BEARER)).json
        assert done["state"] == "JOB_STATE_SUCCEEDED"
        model = done["tunedModel"]["model"]
        assert (await ask(running.http_url, "GET", f"/v1/{model}", BEARER)).json["versionId"] == "1"
        tuned = f"/v1beta1/{P}/models?filter=labels.tune-type:*"
        assert len((await ask(running.http_url, "GET", tuned, BEARER)).json["models"]) == 1


async def test_a_tuned_model_answers_once_it_is_ready():
    hello = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    async with simulator() as running:
        body = {"baseModel": "models/gemini-1.5-flash-001-tuning"}
        made = (await ask(running.http_url, "POST", "/v1beta/tunedModels", KEY, body=body)).json
        place = f"/v1beta/{made['metadata']['tunedModel']}"
        assert (await ask(running.http_url, "POST", f"{place}:generateContent", KEY, body=hello)).status == 404
        for _ in range(2):
            await ask(running.http_url, "GET", place, KEY)
        said = await ask(running.http_url, "POST", f"{place}:generateContent", KEY, body=hello)
        assert said.status == 200, said.body
        assert said.json["candidates"][0]["content"]["parts"]


async def test_a_document_comes_by_upload_and_its_bytes_go_out_again():
    async with simulator() as running:
        store = (await ask(running.http_url, "POST", "/v1/fileSearchStores", KEY, body={})).json["name"]
        start = (("X-Goog-Upload-Protocol", "resumable"), ("X-Goog-Upload-Command", "start"))
        target = f"/upload/v1/{store}:uploadToFileSearchStore"
        begun = await ask(running.http_url, "POST", target, KEY, *start, body={"displayName": "d"})
        (url,) = begun.values("x-goog-upload-url")
        data = (("X-Goog-Upload-Command", "upload, finalize"), ("X-Goog-Upload-Offset", "0"))
        ended = await ask(running.http_url, "POST", url.removeprefix(running.http_url), *data, body=b"some text")
        assert ended.values("x-goog-upload-status") == ["final"]
        document = ended.json["response"]["documentName"]
        assert (await ask(running.http_url, "GET", f"/v1/{document}", KEY)).json["displayName"] == "d"
        media = f"/v1/{document.replace('/documents/', '/media/')}?alt=media"
        assert (await ask(running.http_url, "GET", media, KEY)).body == b"some text"
        part = await ask(running.http_url, "GET", media, KEY, ("Range", "bytes=5-"))
        assert (part.status, part.body) == (206, b"text")


async def test_answers_of_a_batch_file_are_downloaded():
    lines = b'{"key": "a", "request": {"contents": [{"parts": [{"text": "hi"}]}]}}\n'
    async with simulator() as running:
        raw = (("X-Goog-Upload-Protocol", "raw"), ("Content-Type", "application/jsonl"))
        file = (await ask(running.http_url, "POST", "/upload/v1/files", KEY, *raw, body=lines)).json["file"]["name"]
        body = {"batch": {"inputConfig": {"fileName": file}}}
        name = (await ask(running.http_url, "POST", CREATE, KEY, body=body)).json["name"]
        for _ in range(2):
            done = (await ask(running.http_url, "GET", f"/v1/{name}", KEY)).json
        output = done["response"]["responsesFile"]
        answers = await ask(running.http_url, "GET", f"/v1/{output}:download?alt=media", KEY)
        assert answers.status == 200
        assert json.loads(answers.body)["key"] == "a"
        assert "candidates" in json.loads(answers.body)["response"]


async def test_a_token_is_where_live_sessions_look_for_it():
    async with simulator() as running:
        assert (await ask(running.http_url, "POST", "/v1/auth_tokens", KEY, body={"uses": 2})).status == 404
        made = await ask(running.http_url, "POST", "/v1alpha/auth_tokens", KEY, body={"uses": 2})
        kept = running.stage.gate.ephemeral.find(made.json["name"])
        assert kept is not None
        assert kept.uses == 2


async def test_a_video_that_is_cancelled_says_so_to_its_polls():
    model = "/v1beta/models/veo-3.0-generate-001"
    async with simulator() as running:
        url = running.http_url
        body = {"instances": [{"prompt": "x"}]}
        name = (await ask(url, "POST", f"{model}:predictLongRunning", KEY, body=body)).json["name"]
        assert (await ask(url, "GET", f"{model}/operations", KEY)).json == {"operations": [{"name": name}]}
        cancelled = await ask(url, "POST", f"/v1beta/{name}:cancel", KEY, body={})
        assert (cancelled.status, cancelled.json) == (200, {})
        polled = (await ask(url, "GET", f"/v1beta/{name}", KEY)).json
        assert polled == {"name": name, "done": True, "error": {"code": 1, "message": "The operation was cancelled."}}
        assert (await ask(url, "DELETE", f"/v1beta/{name}", KEY)).status == 200
        assert (await ask(url, "GET", f"/v1beta/{name}", KEY)).status == 404


async def test_caches_have_a_minimum_if_the_simulator_is_told_so():
    body = {"model": "models/gemini-2.5-flash", "contents": [{"parts": [{"text": "hi"}]}]}
    seen: list[int] = []
    for has_minimum in (False, True):
        async with simulator(cache_minimum=has_minimum) as running:
            seen.append((await ask(running.http_url, "POST", "/v1beta/cachedContents", KEY, body=body)).status)
    assert seen == [200, 400]
