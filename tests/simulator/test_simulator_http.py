"""The HTTP surfaces over real sockets: exact bytes, header fields, refusals, operations (wire-http 3 to 6)."""

import gzip
import json
from base64 import b64decode

import pytest
from simulator_rig import BEARER, EXPRESS_FLASH, FLASH, HELLO, KEY, VERTEX_FLASH, ask, scenario, simulator

from understudy.scenario.layout import json_text
from understudy_simulator.films.film import Film
from understudy_simulator.films.making import film_file

VEO = "/v1beta/models/veo-3.0-generate-001"
VERTEX_VEO = "/v1/projects/p/locations/l/publishers/google/models/veo-3.1-generate-001"
FILM = {"instances": [{"prompt": "a lighthouse"}], "parameters": {"durationSeconds": 8}}
WHOLE = {"candidates": [{"content": {"parts": [{"text": "1 < 2"}], "role": "model"}}]}


# ---- framing and header fields


async def test_a_unary_answer_has_google_s_layout_and_header_fields():
    async with simulator() as running:
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
    assert answer.status == 200
    assert answer.body.startswith(b'{\n  "candidates": [\n    {\n      "content": {\n        "parts": [')
    assert answer.body.endswith(b"}\n")
    names = [name for name, _ in answer.headers]
    assert names[:4] == ["Content-Type", "Vary", "Vary", "Vary"]
    assert answer.values("content-type") == ["application/json; charset=UTF-8"]
    assert answer.values("vary") == ["Origin", "X-Origin", "Referer"]
    assert answer.values("server") == ["scaffolding on HTTPServer2"]
    assert answer.values("transfer-encoding") == ["chunked"]
    assert answer.values("x-gemini-service-tier") == ["standard"]
    assert answer.values("server-timing")[0].startswith("gfet4t7; dur=")
    assert answer.values("alt-svc") == ['h3=":443"; ma=2592000,h3-29=":443"; ma=2592000']
    assert answer.values("date")


async def test_vertex_answers_have_no_server_timing():
    async with simulator() as running:
        answer = await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", BEARER, body=HELLO)
        assert answer.status == 200
        assert not answer.values("server-timing") and not answer.values("x-gemini-service-tier")
        assert list(answer.json)[-2:] == ["createTime", "responseId"]
        express = await ask(running.http_url, "POST", f"{EXPRESS_FLASH}:generateContent", KEY, body=HELLO)
        assert "createTime" in express.json


async def test_a_scripted_stream_by_sse_is_exactly_google_s_bytes():
    script = [{"stream": {"chunks": [{"json": WHOLE}, {"json": {"usageMetadata": {"totalTokenCount": 3}}}]}}]
    async with simulator() as running:
        running.stage.arm(scenario(script))
        answer = await ask(running.http_url, "POST", f"{FLASH}:streamGenerateContent?alt=sse", KEY, body=HELLO)
    events = [
        b'data: {"candidates": [{"content": {"parts": [{"text": "1 \\u003c 2"}],"role": "model"}}]}\r\n\r\n',
        b'data: {"usageMetadata": {"totalTokenCount": 3}}\r\n\r\n',
    ]
    assert answer.chunks == events
    assert answer.values("content-type") == ["text/event-stream"]
    assert answer.values("content-disposition") == ["attachment"]
    assert answer.complete


async def test_a_scripted_stream_without_sse_is_one_array_that_ends_at_its_bracket():
    script = [{"stream": {"chunks": [{"json": WHOLE}, {"json": {"a": 1}}]}}]
    async with simulator() as running:
        running.stage.arm(scenario(script))
        answer = await ask(running.http_url, "POST", f"{FLASH}:streamGenerateContent", KEY, body=HELLO)
    assert answer.values("content-type") == ["application/json; charset=UTF-8"]
    assert answer.body == b"[" + json_text(WHOLE, "google").encode()[:-1] + b'\n,\r\n{\n  "a": 1\n}\n]'


async def test_a_raw_tail_and_odd_spacing_go_out_as_they_stand():
    raw = '{"error": {"code": 503}}\n'
    script = [{"stream": {"chunks": [{"text": '{ "a" :1}'}, {"raw": {"text": raw}}]}}]
    async with simulator() as running:
        running.stage.arm(scenario(script))
        answer = await ask(running.http_url, "POST", f"{FLASH}:streamGenerateContent?alt=sse", KEY, body=HELLO)
    assert answer.body == b'data: { "a" :1}\r\n\r\n' + raw.encode()


async def test_exact_bytes_of_a_reply_and_its_own_header_fields():
    odd = '{"a":1,\n\n "a" : 2, "ü": "<" }'
    script = [{"reply": {"status": 429, "headers": {"Retry-After": "7", "Server": "me"}, "text": odd}}]
    async with simulator() as running:
        running.stage.arm(scenario(script))
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
    assert (answer.status, answer.body) == (429, odd.encode())
    assert answer.values("retry-after") == ["7"]
    assert answer.values("server") == ["me"]


async def test_slots_are_filled():
    text = "{{model}} {{model_path}} {{scope}} {{response_id}} {{create_time}}"
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"text": text}}]), scope="s")
        answer = await ask(running.http_url, "POST", f"/~s{FLASH}:generateContent", KEY, body=HELLO)
    model, path, scope, response_id, created = answer.body.decode().split(" ")
    assert (model, path, scope) == ("gemini-2.5-flash", "models/gemini-2.5-flash", "s")
    assert len(response_id) == 23 and created.endswith("Z")


async def test_the_chunks_of_a_stream_have_one_time():
    chunks = [{"json": {"createTime": "{{create_time}}"}}] * 50
    async with simulator() as running:
        running.stage.arm(scenario([{"stream": {"chunks": chunks}}]))
        answer = await ask(running.http_url, "POST", f"{FLASH}:streamGenerateContent", KEY, body=HELLO)
    assert len(answer.json) == 50
    assert len({chunk["createTime"] for chunk in answer.json}) == 1


# ---- routes


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models/gemini-2.5-flash:generateContent",
        "/v1alpha/models/gemini-2.5-flash:generateContent",
        "/models/gemini-2.5-flash:generateContent",
        "/v1/models/gemini-2.5-flash%3AgenerateContent",
        "//v1/models/gemini-2.5-flash:generateContent",
        "/~some.scope/v1/models/gemini-2.5-flash:generateContent?%24alt=json%3Benum-encoding%3Dint",
    ],
)
async def test_every_form_of_a_gemini_path_is_served(target):
    async with simulator() as running:
        answer = await ask(running.http_url, "POST", target, KEY, body=HELLO)
    assert answer.status == 200, answer.body


async def test_a_gzipped_request_is_read():
    async with simulator() as running:
        body = gzip.compress(json.dumps(HELLO).encode())
        gzipped = ("Content-Encoding", "gzip")
        answer = await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, gzipped, body=body)
        assert answer.json["totalTokens"] == 2
        assert running.stage.recorder.transcript().exchanges[0].request.body == body


async def test_models_are_listed_in_pages_and_got_one_by_one():
    async with simulator() as running:
        seen, token = [], ""
        while True:
            page = (await ask(running.http_url, "GET", f"/v1/models?pageSize=7&pageToken={token}", KEY)).json
            assert len(page["models"]) <= 7
            seen += [model["name"] for model in page["models"]]
            if "nextPageToken" not in page:
                break
            token = page["nextPageToken"]
        assert "models/gemini-2.5-flash" in seen and "models/veo-3.0-generate-001" in seen
        assert len(seen) == len(set(seen))
        one = (await ask(running.http_url, "GET", "/v1beta/models/gemini-2.5-flash", KEY)).json
        assert one["supportedGenerationMethods"][:2] == ["generateContent", "countTokens"]
        vertex = (await ask(running.http_url, "GET", "/v1beta1/publishers/google/models?pageSize=2", BEARER)).json
        assert [model["name"] for model in vertex["publisherModels"]] == [
            "publishers/google/models/gemini-2.5-pro",
            "publishers/google/models/gemini-2.5-flash",
        ]
        got = await ask(running.http_url, "GET", "/v1beta1/publishers/google/models/gemini-2.5-flash", BEARER)
        assert got.json["name"] == "publishers/google/models/gemini-2.5-flash"
        for wrong in ("pageToken=nonsense", "pageSize=x", "pageToken=bW9kZWxzOg=="):
            assert (await ask(running.http_url, "GET", f"/v1/models?{wrong}", KEY)).status == 400


# ---- refusals


async def refusal(method, target, *headers, body=None, **settings):
    async with simulator(**settings) as running:
        answer = await ask(running.http_url, method, target, *headers, body=body)
    value = answer.json
    return answer, (value[0] if isinstance(value, list) else value)["error"]


async def test_no_key_is_refused_with_403():
    answer, error = await refusal("POST", f"{FLASH}:generateContent", body=HELLO)
    assert (answer.status, error["status"]) == (403, "PERMISSION_DENIED")
    assert error["message"].startswith("Method doesn't allow unregistered callers")
    assert "details" not in error


async def test_a_bad_key_is_refused_with_400_and_its_reason():
    answer, error = await refusal("POST", f"{FLASH}:generateContent?key=invalid-key", body=HELLO)
    assert (answer.status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == "API key not valid. Please pass a valid API key."
    info, localized = error["details"]
    assert (info["reason"], info["metadata"]) == (
        "API_KEY_INVALID",
        {"service": "generativelanguage.googleapis.com"},
    )
    assert localized["locale"] == "en-US"


async def test_vertex_without_credentials_is_refused_with_401():
    for headers in ((), (KEY,)):
        answer, error = await refusal("POST", f"{VERTEX_FLASH}:generateContent", *headers, body=HELLO)
        assert (answer.status, error["status"]) == (401, "UNAUTHENTICATED")
        [info] = error["details"]
        assert info["reason"] == "CREDENTIALS_MISSING"
        assert info["metadata"]["method"] == "google.cloud.aiplatform.v1beta1.PredictionService.GenerateContent"
        assert answer.values("www-authenticate") == ['Bearer realm="https://accounts.google.com/"']


async def test_a_bad_bearer_is_refused_and_a_key_does_not_rescue_it():
    for target in (f"{VERTEX_FLASH}:generateContent", f"{FLASH}:generateContent"):
        answer, error = await refusal("POST", target, BEARER, KEY, body=HELLO, auth="issued")
        assert (answer.status, error["status"]) == (401, "UNAUTHENTICATED")
        assert error["details"][0]["reason"] == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        assert 'error="invalid_token"' in answer.values("www-authenticate")[0]


@pytest.mark.parametrize("model", ["gemini-9", "veo-3.0-generate-001", "gemini-live-2.5-flash"])
async def test_a_model_that_cannot_is_not_found(model):
    answer, error = await refusal("POST", f"/v1beta/models/{model}:generateContent", KEY, body=HELLO)
    assert answer.status == 404
    assert error["message"] == (
        f"models/{model} is not found for API version v1beta, or is not supported for generateContent. "
        "Call ListModels to see the list of available models and their supported methods."
    )


async def test_an_unknown_model_on_vertex_is_told_in_vertex_s_words():
    target = "/v1/projects/p/locations/l/publishers/google/models/gemini-9:generateContent"
    answer, error = await refusal("POST", target, BEARER, body=HELLO)
    assert answer.status == 404
    assert error["message"].startswith(
        "Publisher Model `projects/p/locations/l/publishers/google/models/gemini-9` was not found"
    )


async def test_a_model_of_one_service_is_unknown_to_the_other():
    answer, _ = await refusal("POST", "/v1beta/models/veo-3.1-generate-001:predictLongRunning", KEY, body=FILM)
    assert answer.status == 404


async def test_errors_of_a_plain_stream_are_wrapped_and_of_an_sse_stream_not():
    answer, _ = await refusal("POST", "/v1/models/gemini-9:streamGenerateContent", KEY, body=HELLO)
    assert answer.body.startswith(b'[{\n  "error"') and answer.body.endswith(b"}\n]")
    answer, _ = await refusal("POST", "/v1/models/gemini-9:streamGenerateContent?alt=sse", KEY, body=HELLO)
    assert answer.body.startswith(b'{\n  "error"')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{nope", "Invalid JSON payload received. Expected an object key or }.\n{nope\n ^"),
        ({}, "* GenerateContentRequest.contents: contents is not specified\n"),
        ({"contents": [], "thinking": 1}, 'Invalid JSON payload received. Unknown name "thinking": Cannot find field.'),
    ],
)
async def test_bodies_that_cannot_be(body, text):
    answer, error = await refusal("POST", f"{FLASH}:generateContent", KEY, body=body)
    assert (answer.status, error["message"]) == (400, text)


async def test_vertex_misses_contents_in_its_own_words():
    _, error = await refusal("POST", f"{VERTEX_FLASH}:generateContent", BEARER, body={})
    assert error["message"].startswith("Unable to submit request because at least one contents field is required.")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"contents": []}, 'Unknown name "contents": Cannot find field.'),
        (FILM | {"parameters": {"durationSeconds": "8"}}, "The value type for `durationSeconds` needs to be a number."),
    ],
)
async def test_video_requests_that_cannot_be(body, text):
    answer, error = await refusal("POST", f"{VEO}:predictLongRunning", KEY, body=body)
    assert answer.status == 400
    assert text in error["message"]


@pytest.mark.parametrize("target", ["/nope", "/v1/nope/x", "/v1beta/models/gemini-2.5-flash:generateContent"])
async def test_a_path_that_no_api_has_is_the_frontend_s_page(target):
    async with simulator() as running:
        answer = await ask(running.http_url, "GET", target, KEY)
    assert answer.status == 404
    assert answer.values("content-type") == ["text/html; charset=UTF-8"]
    assert b"Error 404 (Not Found)!!1" in answer.body


async def test_the_page_escapes_what_was_asked_for():
    async with simulator() as running:
        answer = await ask(running.http_url, "GET", "/<script>", KEY)
    assert b"<script>" not in answer.body


@pytest.mark.parametrize("target", ["/", "/v1beta1", "/v1/", "/~scope/"])
async def test_a_post_to_the_base_names_the_trap(target):
    answer, error = await refusal("POST", target, body=HELLO)
    assert answer.status == 404
    assert "constructor arguments" in error["message"]
    assert error["details"][0]["reason"] == "BASE_URL_TRAP"
    assert answer.values("x-understudy-error") == ["BASE_URL_TRAP"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/v1beta/v1beta/models/gemini-2.5-flash:generateContent", "the base URL ends with a version"),
        (
            "/v1beta//ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
            "ends with a version",
        ),
        (
            "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
            "is a route of a gateway, and this is the simulator",
        ),
        ("/vertex_ai/v1/projects/p", "is a route of a gateway"),
    ],
)
async def test_other_known_mistakes_in_a_base_url_are_named(target, words):
    answer, error = await refusal("GET", target, KEY)
    assert (answer.status, error["details"][0]["reason"]) == (404, "BASE_URL_TRAP")
    assert words in error["message"]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"/~a%20b{FLASH}", ()),
        (FLASH, (("x-understudy-scope", "a b"),)),
        (f"/~a%20b{FLASH}", (("Upgrade", "websocket"),)),
    ],
)
async def test_a_carrier_that_names_no_scope_is_refused_and_not_taken_for_the_default_one(target, headers):
    answer, error = await refusal("POST", f"{target}:generateContent", KEY, *headers, body=HELLO)
    assert (answer.status, answer.values("x-understudy-error")) == (400, ["BAD_SCOPE"])
    assert "is no scope (1 to 80 of A-Z a-z 0-9 . _ -)" in error["message"]


async def test_what_is_not_simulated_says_so():
    answer, error = await refusal("GET", "/v1beta/dynamic/x", KEY)
    assert answer.status == 501
    assert error["details"][0]["reason"] == "NOT_SIMULATED"


async def test_a_body_beyond_the_limit_is_413():
    answer, _ = await refusal("POST", f"{FLASH}:generateContent", KEY, body=b"x" * 2000, body_limit=1000)
    assert answer.status == 413


# ---- scenarios


async def test_strict_mode_refuses_and_names_the_nearest_misses():
    async with simulator(strict=True) as running:
        running.stage.arm(scenario([{"reply": {"json": {}}}], model="gemini-2.5-pro"))
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
        assert answer.status == 501
        assert "test/one: model: wanted 'gemini-2.5-pro', found 'gemini-2.5-flash'" in answer.json["error"]["message"]
        assert (await ask(running.http_url, "GET", "/v1/models", KEY)).status == 200
        [exchange, _] = running.stage.recorder.transcript().exchanges
        assert exchange.origin.misses == ("test/one: model: wanted 'gemini-2.5-pro', found 'gemini-2.5-flash'",)


async def test_strict_mode_names_the_scopes_in_which_something_is_armed():
    async with simulator(strict=True) as running:
        running.stage.arm(scenario([{"reply": {"json": {}}}]), scope="mine")
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
    assert answer.json["error"]["message"].endswith(
        "* nothing is armed in this scope\nOther scopes have armed scenarios: 'mine'."
    )


async def test_lenient_mode_answers_and_writes_the_misses_down():
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"json": {}}}], model="gemini-2.5-pro"))
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
        assert answer.status == 200
        [exchange] = running.stage.recorder.transcript().exchanges
        assert exchange.origin.scenario is None
        assert len(exchange.origin.misses) == 1


async def test_a_scenario_advances_from_request_to_request():
    script = [{"reply": {"status": 429, "json": {}}, "times": 2}, {"reply": {"json": {"n": 3}}}]
    async with simulator(strict=True) as running:
        running.stage.arm(scenario(script))
        statuses = [
            (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).status for _ in range(4)
        ]
        assert statuses == [429, 429, 200, 501]
        origins = [exchange.origin.scenario for exchange in running.stage.recorder.transcript().exchanges]
        assert origins == ["test/one"] * 3 + [None]


async def test_what_a_client_does_beside_a_conversation_does_not_use_it_up():
    async with simulator(strict=True) as running:
        running.stage.arm(scenario([{"reply": {"json": {"n": 1}}}], match={"call": 1}))
        assert "models" in (await ask(running.http_url, "GET", "/v1/models", KEY)).json
        got = await ask(running.http_url, "GET", "/v1/models/gemini-2.5-flash", KEY)
        assert got.json["name"] == "models/gemini-2.5-flash"
        counted = await ask(running.http_url, "POST", f"{FLASH}:countTokens", KEY, body=HELLO)
        assert "a match that names this method or path, found 'countTokens'" in counted.json["error"]["message"]
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).json == {"n": 1}


async def test_a_scenario_may_answer_a_plain_route_that_it_names():
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"status": 503, "json": {}}}], match={"method": "get"}))
        assert (await ask(running.http_url, "GET", "/v1/models/gemini-2.5-flash", KEY)).status == 503


async def test_what_a_script_does_not_expect_is_told():
    script = [{"receive": {"json": {"contents": [{"role": "model"}]}}}, {"reply": {"json": {}}}]
    async with simulator() as running:
        running.stage.arm(scenario(script))
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)
        assert answer.status == 501
        assert answer.values("x-understudy-error") == ["UNEXPECTED_REQUEST"]
        [exchange] = running.stage.recorder.transcript().exchanges
        assert "wanted" in exchange.origin.misses[0] or "expected" in exchange.origin.misses[0]


async def test_a_bad_key_is_refused_before_a_scenario_is_used_up():
    async with simulator() as running:
        running.stage.arm(scenario([{"reply": {"json": {}}}]))
        bad = ("x-goog-api-key", "invalid")
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", bad, body=HELLO)).status == 400
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).json == {}


async def test_no_body_is_decoded_unless_a_scenario_needs_it():
    async with simulator(strict=True, any_body=True) as running:
        running.stage.arm(scenario([{"reply": {"json": {}}}], model="*"), times=None)
        answer = await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=b"\xff not json")
        assert answer.status == 200


async def test_the_transcript_has_the_request_as_it_came():
    async with simulator() as running:
        body = b'{ "contents":[{"parts":[{"text":"a"}]}] ,"contents" : [{"parts":[{"text":"b"}]}]}'
        odd = ("X-oDD", "  1")
        await ask(running.http_url, "POST", f"{FLASH}%3AgenerateContent?b=%20&a", KEY, odd, odd, body=body)
        [exchange] = running.stage.recorder.transcript().exchanges
    assert exchange.request.target == f"{FLASH}%3AgenerateContent?b=%20&a"
    assert exchange.request.body == body
    assert [name for name, _ in exchange.request.headers] == [
        b"Host",
        b"x-goog-api-key",
        b"X-oDD",
        b"X-oDD",
        b"Content-Length",
    ]
    assert exchange.response is not None and exchange.response.complete
    assert exchange.failure is None


async def test_the_same_seed_gives_the_same_bytes():
    async def bodies(seed):
        async with simulator(seed=seed) as running:
            return [
                (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).body
                for _ in range(2)
            ]

    assert await bodies(1) == await bodies(1)
    assert await bodies(1) != await bodies(2)


# ---- operations


async def test_a_gemini_film_is_made_polled_and_downloaded():
    async with simulator() as running:
        url = running.http_url
        name = (await ask(url, "POST", f"{VEO}:predictLongRunning", KEY, body=FILM)).json["name"]
        assert name.startswith("models/veo-3.0-generate-001/operations/")
        assert (await ask(url, "GET", f"/v1beta/{name}", KEY)).json == {"name": name}
        short = name.partition("/operations")[2]
        done = (await ask(url, "GET", f"/v1/operations{short}", KEY)).json
        [sample] = done["response"]["generateVideoResponse"]["generatedSamples"]
        uri = sample["video"]["uri"]
        assert uri.startswith("https://generativelanguage.googleapis.com/v1/files/")
        path = uri.removeprefix("https://generativelanguage.googleapis.com")
        file_id = path.split("/")[-1].partition(":")[0]
        assert file_id.isalnum() and file_id == file_id.lower()
        film = await ask(url, "GET", path, KEY)
        assert film.values("content-type") == ["video/mp4"]
        assert film.body == film_file(Film(), "sample 0")
        broken = f"/v1/files/http://127.0.0.1:8899/v1beta/files/{file_id}:download?alt=media:download?alt=media"
        assert (await ask(url, "GET", broken, KEY)).body == film.body
        assert (await ask(url, "GET", path)).status == 403
        assert (await ask(url, "GET", "/v1/files/other:download?alt=media", KEY)).status == 403


async def test_a_vertex_film_comes_inline():
    async with simulator() as running:
        url = running.http_url
        name = (await ask(url, "POST", f"{VERTEX_VEO}:predictLongRunning", BEARER, body=FILM)).json["name"]
        assert name.startswith("projects/p/locations/l/publishers/google/models/veo-3.1-generate-001/operations/")
        poll = {"operationName": name}
        fetch = f"{VERTEX_VEO}:fetchPredictOperation"
        assert (await ask(url, "POST", fetch, BEARER, body=poll)).json == {"name": name}
        done = (await ask(url, "POST", fetch, BEARER, body=poll)).json
        [video] = done["response"]["videos"]
        film = b64decode(video["bytesBase64Encoded"])
        assert film.startswith(film_file(Film())[:-8]) and len(film) > 10_000


async def test_a_vertex_film_may_go_to_storage():
    async with simulator() as running:
        wish = FILM | {"parameters": {"storageUri": "gs://bucket/dir/"}}
        name = (await ask(running.http_url, "POST", f"{VERTEX_VEO}:predictLongRunning", BEARER, body=wish)).json["name"]
        fetch = f"{VERTEX_VEO}:fetchPredictOperation"
        for _ in range(2):
            done = (await ask(running.http_url, "POST", fetch, BEARER, body={"operationName": name})).json
        [video] = done["response"]["videos"]
        assert video == {"gcsUri": f"gs://bucket/dir/{name.split('/')[-1]}/sample_0.mp4", "mimeType": "video/mp4"}


async def test_unknown_operations_are_not_found():
    async with simulator() as running:
        url = running.http_url
        assert (await ask(url, "GET", "/v1beta/models/veo-3.0-generate-001/operations/x", KEY)).status == 404
        fetch = f"{VERTEX_VEO}:fetchPredictOperation"
        assert (await ask(url, "POST", fetch, BEARER, body={"operationName": "x"})).status == 404
        assert (await ask(url, "POST", fetch, BEARER, body={})).status == 400


async def test_a_scripted_operation_is_refused_by_policy_after_three_polls():
    script = [{"operation": {"running_polls": 3, "then": {"error": {"code": 3, "message": "against policy"}}}}]
    async with simulator(strict=True) as running:
        url = running.http_url
        running.stage.arm(
            scenario(script, surface="vertex-veo", model="veo-3.1-generate-001"), scope="s", carrier="marker"
        )
        film = {"instances": [{"prompt": "x [[understudy-scope:s]]"}]}
        name = (await ask(url, "POST", f"{VERTEX_VEO}:predictLongRunning", BEARER, body=film)).json["name"]
        fetch = f"{VERTEX_VEO}:fetchPredictOperation"
        polls = [(await ask(url, "POST", fetch, BEARER, body={"operationName": name})).json for _ in range(4)]
        assert polls[:3] == [{"name": name}] * 3
        assert polls[3] == {"name": name, "done": True, "error": {"code": 3, "message": "against policy"}}
        transcript = running.stage.recorder.transcript("s")
        # Polls carry no scope of their own: they belong to that of their operation.
        assert [exchange.origin.scenario for exchange in transcript.exchanges] == ["test/one"] * 5
