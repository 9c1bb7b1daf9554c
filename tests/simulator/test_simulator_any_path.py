"""A scenario that names a path answers whatever comes there: any HTTP method, any path, known things excepted."""

import pytest
from simulator_rig import BEARER, FLASH, HELLO, KEY, VERTEX_FLASH, ask, scenario, simulator

VEO = "/v1beta/models/veo-3.0-generate-001"
FILM = {"instances": [{"prompt": "a lighthouse"}]}
ANY = {"match": {"path": "*", "model": "*"}}
HERE = [{"repeat": {"steps": [{"reply": {"status": 207, "text": "here"}}]}}]

PATHS = [
    "/",
    "/nothing/of/the/kind",
    "/v1beta/models/a%2Fb:generateContent",
    "/v1beta/models/a@b;c=1,d!$&'()*+~:generateContent",
    "/v1beta//models//x:generateContent",
    "/v1beta/models/../models/./x:generateContent",
    f"{FLASH}:generateContent/",
    f"{FLASH}%3agenerateContent",
    "/v1beta/models/x%20y/%E2%82%AC%2e%2E",
    "/gemini/v1beta/models/x:generateContent",
    "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD"]


def anywhere(server=HERE, **words):
    return scenario(server, **(ANY | words))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
async def test_it_answers_any_method_at_any_path(method, path):
    async with simulator(strict=True) as running:
        running.stage.arm(anywhere())
        answer = await ask(running.http_url, method, path + "?a=%2F&a", KEY)
        assert (answer.status, answer.complete) == (207, True)
        assert answer.body == (b"" if method == "HEAD" else b"here")
        [exchange] = running.stage.recorder.transcript().exchanges
    assert (exchange.request.method, exchange.request.target) == (method, path + "?a=%2F&a")
    assert (exchange.origin.scenario, exchange.failure) == ("test/one", None)
    assert exchange.origin.surface == "gemini"


async def test_where_no_path_is_named_it_does_not():
    async with simulator() as running:
        running.stage.arm(scenario(HERE, match={"model": "*", "method": "*"}))
        assert (await ask(running.http_url, "POST", "/nothing", KEY)).status == 404
        assert (await ask(running.http_url, "GET", f"{FLASH}:generateContent", KEY)).status == 404
        assert (await ask(running.http_url, "GET", FLASH, KEY)).status == 207


async def test_only_paths_that_fit():
    async with simulator() as running:
        running.stage.arm(scenario(HERE, match={"path": "/v9/*", "model": "*"}))
        assert (await ask(running.http_url, "PUT", "/v9/x", KEY)).status == 207
        assert (await ask(running.http_url, "PUT", "/v8/x", KEY)).status == 404


async def test_credentials_are_checked_where_the_path_is_of_an_api_and_nowhere_else():
    async with simulator() as running:
        running.stage.arm(anywhere())
        assert (await ask(running.http_url, "OPTIONS", f"{FLASH}:generateContent")).status == 403
        assert (await ask(running.http_url, "OPTIONS", "/elsewhere")).status == 207


async def test_its_surface_is_any_over_http_unless_it_names_some():
    async with simulator() as running:
        running.stage.arm(anywhere(surface="vertex"))
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).status == 207
        running.stage.reset()
        running.stage.arm(anywhere(surface="vertex", match={"path": "*", "model": "*", "surface": "vertex"}))
        assert (await ask(running.http_url, "POST", f"{FLASH}:generateContent", KEY, body=HELLO)).status == 200
        assert (await ask(running.http_url, "POST", f"{VERTEX_FLASH}:generateContent", BEARER)).status == 207
        assert (await ask(running.http_url, "POST", "/nothing", KEY)).status == 207
        assert running.stage.recorder.transcript().exchanges[-1].origin.surface == "vertex"


async def test_a_live_scenario_does_not_answer_http():
    async with simulator() as running:
        running.stage.arm(anywhere([{"receive": "close"}], surface="gemini-live"))
        assert (await ask(running.http_url, "POST", "/nothing", KEY)).status == 404


async def test_operations_and_files_that_exist_come_first():
    film = [{"operation": {"then": {"videos": 1}}}, *HERE]
    async with simulator() as running:
        running.stage.arm(anywhere(film, surface="gemini-veo"))
        started = await ask(running.http_url, "POST", f"{VEO}:predictLongRunning", KEY, body=FILM)
        polled = await ask(running.http_url, "GET", "/v1beta/" + started.json["name"], KEY)
        uri = polled.json["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
        downloaded = await ask(running.http_url, "GET", uri[uri.index("/v1beta") :], KEY)
        assert downloaded.values("content-type") == ["video/mp4"]
        for method, path in (
            ("GET", f"/v1beta/models/{VEO}/operations/unknown"),
            ("DELETE", f"/v1beta/{started.json['name']}"),
            ("GET", "/v1beta/files/unknown:download"),
            ("GET", "/v1beta/files/unknown"),
            ("DELETE", "/v1beta/files/unknown"),
            ("POST", f"{VEO}:fetchPredictOperation"),
        ):
            assert (await ask(running.http_url, method, path, KEY)).status == 207, (method, path)


async def test_tokens_are_issued_all_the_same():
    async with simulator() as running:
        running.stage.arm(anywhere())
        answer = await ask(running.http_url, "POST", "/token", body=b"grant_type=other")
    assert answer.json["error"] == "unsupported_grant_type"


async def test_the_transcript_has_the_target_without_the_carrier_of_its_scope():
    async with simulator() as running:
        running.stage.arm(anywhere(), scope="s")
        await ask(running.http_url, "PUT", "/~s//x%2f?b=1&a", KEY)
        [exchange] = running.stage.recorder.transcript("s").exchanges
    assert exchange.request.target == "//x%2f?b=1&a"
