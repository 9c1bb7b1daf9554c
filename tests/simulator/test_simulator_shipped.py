"""Every shipped HTTP scenario, played by a raw client straight at a strict simulator."""

import pytest
from simulator_rig import BEARER, KEY, Answer, ask, simulator

from understudy.library import load_all
from understudy.scenario.model import Call, Download, Poll, Scenario, Start

SCENARIOS = [scenario for scenario in load_all([]) if not scenario.surface.is_live and scenario.client]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
async def test_a_shipped_scenario_plays_as_it_says(scenario: Scenario):
    async with simulator(strict=True) as running:
        running.stage.arm(scenario)
        client = _Client(running.http_url, scenario)
        for step in scenario.client:
            await client.do(step)
        transcript = running.stage.recorder.transcript()
        # What is gone is known to nobody.
        known = [one for one in transcript.exchanges if one.response is None or one.response.status != 404]
        assert {exchange.origin.scenario for exchange in known} == {scenario.id}
        assert running.stage.scopes()[0].played_out == (scenario.id,)
    if scenario.expect.statuses:
        assert tuple(client.statuses) == scenario.expect.statuses
    if scenario.expect.polls:
        assert tuple(client.polls) == scenario.expect.polls
    assert scenario.expect.upstream_requests in (None, len(client.statuses))


class _Client:
    def __init__(self, url: str, scenario: Scenario) -> None:
        self._url = url
        self._is_vertex = scenario.surface.is_vertex
        owner = "/v1/projects/p/locations/l/publishers/google" if self._is_vertex else "/v1beta"
        self._base = f"{owner}/models/{scenario.model}"
        self._answer: Answer | None = None
        self._operation = ""
        self.statuses: list[int] = []
        self.polls: list[str] = []

    async def do(self, step) -> None:
        match step:
            case Call():
                query = f"?{step.query}" if step.query else ""
                for _ in range(1 + (step.retry.at_most if step.retry else 0)):
                    await self._ask(step.http_method, f"{self._base}:{step.method}{query}", step.payload.fill({}))
                    if step.retry is None or self.statuses[-1] not in step.retry.on:
                        break
            case Start():
                started = await self._ask("POST", f"{self._base}:predictLongRunning", step.payload.fill({}))
                self._operation = started.json.get("name", "")
            case Poll():
                for _ in range(step.at_most):
                    answer = await self._poll()
                    if answer.status != 200:
                        break
                    state = answer.json
                    self.polls.append("error" if "error" in state else "done" if state.get("done") else "running")
                    if state.get("done"):
                        break
            case Download():
                assert self._answer is not None
                [sample] = self._answer.json["response"]["generateVideoResponse"]["generatedSamples"]
                uri = sample["video"]["uri"]
                assert (await self._ask("GET", uri[uri.index("/v1") :])).body[4:8] == b"ftyp"
            case _:
                raise AssertionError(f"{step} is no step of an HTTP client")

    async def _poll(self) -> Answer:
        if self._is_vertex:
            return await self._ask("POST", f"{self._base}:fetchPredictOperation", {"operationName": self._operation})
        return await self._ask("GET", f"/v1beta/{self._operation}")

    async def _ask(self, method: str, target: str, body=None) -> Answer:
        credentials = BEARER if self._is_vertex else KEY
        self._answer = await ask(self._url, method, target, credentials, body=body)
        self.statuses.append(self._answer.status)
        return self._answer
