"""Every surface of Vertex AI through the gateway, against the simulator, with its cost worked out by hand (COST-1).

Partners' models (Claude, Mistral, Llama), the OpenAI-compatible path, tuned and deployed endpoints, express mode,
multi-region hosts. The provider's credential is a token of the simulator's own service account.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from gateway_stand import KEY, UPSTREAM_KEY, Reply, asked, gateway, recorded, request
from simulator_rig import HELLO, account, simulator

from understudy.pricing.book import Layer, PriceBook
from understudy_gateway.app import Gateway
from understudy_gateway.config import parse_config
from understudy_gateway.listeners import Listen
from understudy_simulator.app import Simulator
from understudy_simulator.catalogue import every_model

MISTRAL = next(m.id for m in every_model() if m.publisher == "mistralai" and m.retires is None and "ocr" not in m.id)
CLAUDE = "claude-sonnet-4@20250514"
LLAMA = next(m.id for m in every_model() if m.publisher == "meta" and m.retires is None)
FLASH = "gemini-2.5-flash"
INPUT, OUTPUT = Decimal("0.000003"), Decimal("0.000011")
PRICES = {"input_cost_per_token": str(INPUT), "output_cost_per_token": str(OUTPUT)}
BOOK = PriceBook.from_layers(
    [Layer("test", {f"vertex_ai/{name}": PRICES for name in (MISTRAL, CLAUDE, LLAMA, FLASH, f"meta/{LLAMA}")})]
)
PLACE = "/v1/projects/proj/locations/us-east5"
CHAT = {"messages": [{"role": "user", "content": "hello there"}]}
ANTHROPIC = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 64, **CHAT}
LIMITS = {"id": "team", "key": KEY}


@asynccontextmanager
async def stand(express: bool = False, **key: object) -> AsyncIterator[tuple[Simulator, Gateway]]:
    """A simulator that takes its own tokens alone, and a gateway in front of it."""
    async with simulator(auth="issued") as upstream:
        environ = {"VERTEXAI_API_BASE": upstream.http_url}
        if express:
            environ["VERTEX_API_KEY"] = UPSTREAM_KEY
        else:
            file = account().key_file(upstream.http_url + "/token")
            environ["DEFAULT_GOOGLE_APPLICATION_CREDENTIALS"] = json.dumps(file)
        settings = parse_config({"understudy_settings": {"keys": [{**LIMITS, **key}]}}, environ)
        async with Gateway(settings, Listen(), book=BOOK) as running:
            yield upstream, running


def pieces(reply: Reply) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer, of whatever form."""
    if (reply.value(b"content-type") or b"").startswith(b"text/event-stream"):
        lines = [line for line in reply.body.split(b"\n") if line.startswith(b"data:") and b"[DONE]" not in line]
        yield from (json.loads(line[5:]) for line in lines)
    else:
        value = json.loads(reply.body)
        yield from value if isinstance(value, list) else [value]


def billed(reply: Reply) -> Decimal:
    """The cost by what the answer says of tokens, in the partner's words or in Google's; the last count stands."""
    found: dict[str, int] = {}
    for piece in pieces(reply):
        message = piece.get("message") or {}
        for usage in (message.get("usage"), piece.get("usage"), piece.get("usageMetadata")):
            found |= {name: count for name, count in (usage or {}).items() if isinstance(count, int)}
    asks = found.get("input_tokens") or found.get("prompt_tokens") or found.get("promptTokenCount") or 0
    says = found.get("output_tokens") or found.get("completion_tokens") or found.get("candidatesTokenCount") or 0
    says += found.get("thoughtsTokenCount", 0)
    assert asks and says, reply.body
    return asks * INPUT + says * OUTPUT


ROWS = [
    ("Claude", f"{PLACE}/publishers/anthropic/models/{CLAUDE}:rawPredict", ANTHROPIC, CLAUDE),
    ("Claude streamed", f"{PLACE}/publishers/anthropic/models/{CLAUDE}:streamRawPredict",
     {**ANTHROPIC, "stream": True}, CLAUDE),
    ("Mistral", f"{PLACE}/publishers/mistralai/models/{MISTRAL}:rawPredict", {"model": MISTRAL, **CHAT}, MISTRAL),
    ("Mistral streamed", f"{PLACE}/publishers/mistralai/models/{MISTRAL}:streamRawPredict",
     {"model": MISTRAL, "stream": True, **CHAT}, MISTRAL),
    ("openapi, Llama", f"{PLACE}/endpoints/openapi/chat/completions", {"model": f"meta/{LLAMA}", **CHAT}, None),
    ("openapi, Gemini", f"{PLACE}/endpoints/openapi/chat/completions", {"model": f"google/{FLASH}", **CHAT}, None),
    ("openapi, streamed", f"{PLACE}/endpoints/openapi/chat/completions",
     {"model": f"google/{FLASH}", "stream": True, "stream_options": {"include_usage": True}, **CHAT}, None),
    *(
        (f"Gemini in {location}",
         f"/v1/projects/proj/locations/{location}/publishers/google/models/{FLASH}:generateContent", HELLO, FLASH)
        for location in ("global", "us", "eu", "us-central1")
    ),
    ("Gemini, array", f"{PLACE}/publishers/google/models/{FLASH}:streamGenerateContent", HELLO, FLASH),
    ("Gemini, events", f"{PLACE}/publishers/google/models/{FLASH}:streamGenerateContent?alt=sse", HELLO, FLASH),
]  # fmt: skip


@pytest.mark.parametrize(("target", "body", "model"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_each_surface_answers_and_costs_what_its_answer_says(target, body, model):
    async with stand() as (_, running):
        reply = await asked(running, request("/vertex_ai" + target, body=json.dumps(body).encode()))
        assert reply.status == 200, reply.body
        (record,) = await recorded(running)
    assert (record.cost, record.known, record.model) == (billed(reply), "exact", model)
    assert (record.provider, record.route) == ("vertex_ai", "vertex_ai")


@pytest.mark.parametrize("verb", ["generateContent", "streamGenerateContent?alt=sse"])
async def test_a_tuned_model_at_its_endpoint_costs_what_its_base_model_does(verb):
    job = {"baseModel": FLASH, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}
    async with stand() as (_, running):
        made = await asked(running, request(f"/vertex_ai{PLACE}/tuningJobs", body=json.dumps(job).encode()))
        name = json.loads(made.body)["name"]
        for _ in range(2):
            done = await asked(running, request(f"/vertex_ai/v1/{name}", method="GET", body=None))
        endpoint = json.loads(done.body)["tunedModel"]["endpoint"]
        reply = await asked(running, request(f"/vertex_ai/v1/{endpoint}:{verb}", body=json.dumps(HELLO).encode()))
        *_, record = await recorded(running, 4)
    assert reply.status == 200
    assert (record.cost, record.known) == (billed(reply), "exact")


@pytest.mark.parametrize("verb", ["predict", "rawPredict"])
async def test_a_deployed_model_answers_and_nobody_knows_its_cost(verb):
    body = {"instances": [{"prompt": "x"}]}
    async with stand() as (_, running):
        target = f"/vertex_ai{PLACE}/endpoints/1234567890:{verb}"
        reply = await asked(running, request(target, body=json.dumps(body).encode()))
        (record,) = await recorded(running)
    assert (reply.status, record.cost, record.known) == (200, None, "unknown")  # COST-4: never 0


@pytest.mark.parametrize("version", ["/v1", "/v1beta1"])
async def test_express_mode_shows_a_key_and_completes_no_path(version):
    path = f"{version}/publishers/google/models/{FLASH}:generateContent"
    async with stand(express=True) as (upstream, running):
        reply = await asked(running, request("/vertex_ai" + path, body=json.dumps(HELLO).encode()))
        (record,) = await recorded(running)
        (seen,) = upstream.stage.recorder.transcript().exchanges
    assert (reply.status, record.cost) == (200, billed(reply))
    assert seen.request.target == path


@pytest.mark.parametrize(("models", "status"), [([CLAUDE], 200), (["vertex_ai/claude-*"], 200), ([FLASH], 403)])
async def test_a_key_may_be_limited_to_a_partners_model(models, status):
    # AUTH-10
    target = f"/vertex_ai{PLACE}/publishers/anthropic/models/{CLAUDE}:rawPredict"
    escaped = target.replace("@", "%40")
    async with stand(models=models) as (_, running):
        for one in (target, escaped):
            assert (await asked(running, request(one, body=json.dumps(ANTHROPIC).encode()))).status == status


async def test_two_projects_behind_one_route_are_polled_each_with_its_own_credential():
    """LRO-2: two accounts, each of which the provider knows for its project only."""
    from upstream_double import double, response

    async def provider_says(talk, seen):
        if seen.target == b"/token":
            who = seen.body.decode()
            await talk.send(response(json.dumps({"access_token": f"tok-{len(who)}", "expires_in": 3600}).encode()))
            return
        name = seen.target.decode().partition("/models/")[0].removeprefix("/v1/")
        await talk.send(response(json.dumps({"name": f"{name}/models/veo/operations/o"}).encode()))

    async with double(provider_says) as provider:
        file = account().key_file(provider.url + "/token")
        entries = [
            {
                "model_name": "veo",
                "litellm_params": {
                    "model": "vertex_ai/veo",
                    "vertex_project": project,
                    "vertex_location": "us-central1",
                    "vertex_credentials": {**file, "client_email": email},
                },
            }
            for project, email in (("alpha", "a@b.example"), ("beta", "longer-name@b.example"))
        ]
        ours = {"understudy_settings": {"keys": [LIMITS]}, "model_list": entries}
        settings = parse_config(ours, {"VERTEXAI_API_BASE": provider.url})
        async with gateway("", config=settings) as running:
            for project in ("alpha", "beta", "alpha"):
                path = f"/vertex_ai/v1/projects/{project}/locations/us-central1/publishers/google/models/veo"
                for verb in ("predictLongRunning", "fetchPredictOperation"):
                    assert (await asked(running, request(f"{path}:{verb}"))).status == 200
    shown = [
        (seen.target.split(b"/")[3], seen.values(b"authorization")[0])
        for seen in provider.requests
        if seen.target != b"/token"
    ]
    assert len(shown) == 6
    assert len(set(shown)) == len({token for _, token in shown}) == 2  # one token for each project
