"""The official google-genai client, three releases, against the simulator and through the gateway: values compared."""

import asyncio
import os
from pathlib import Path

import pytest

from understudy.authority import Authority
from understudy.clients import client_environment
from understudy.control import Control
from understudy.demo.plan import CLIENT, REFUSED_STEP, Session, common_steps
from understudy.demo.run import client_plan, play_session
from understudy.home import prepared_home
from understudy.wiring import Ports, wired

VERSIONS = (None, "2.34.0", "1.75.0")
SERVICES = ("gemini", "vertex")
KEY = "sk-interop-0123456789abcdef"
SETTINGS = {"price_book": "frozen", "keys": [{"id": "interop", "key": "os.environ/INTEROP_KEY"}]}

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def home() -> Path:
    return prepared_home(os.environ)


@pytest.fixture(scope="module")
def stand(home, tmp_path_factory):
    """A strict simulator, and a gateway in front of it; both real processes."""
    folder = tmp_path_factory.mktemp("stand")
    key_file = folder / "service-account.json"
    play = (*Ports().options(), "--strict", "--auth", "issued")
    environ = {**os.environ, "INTEROP_KEY": KEY}
    with wired(folder, environ, play, Ports().options(), key_file, quiet=True, settings=SETTINGS) as pair:
        bundle = Authority.of_home(home).write_bundle(os.environ, folder / "bundle.pem")
        yield pair.simulator.ready, pair.gateway.ready, bundle, key_file


@pytest.mark.parametrize("way", ["straight", "through the gateway"])
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version or "newest")
def test_google_genai_gets_what_the_scenarios_say(version, service, way, home, stand):
    simulator, gateway, bundle, key_file = stand
    environment = client_environment(CLIENT, version, home, print)
    through = way == "through the gateway"
    steps = (*common_steps(service), REFUSED_STEP) if through else common_steps(service)
    session = Session(service, version, steps)
    control = Control(simulator.admin)
    for step in session.steps:
        control.reset(session.scope(step))
        if step.scenario:
            control.play(step.scenario, scope=session.scope(step))
    server = gateway if through else simulator
    plan = client_plan(session, KEY, server.https, prefixes=through)
    if service == "vertex" and not through:
        plan["service_account"] = str(key_file)
    results = asyncio.run(
        play_session(environment, plan, {"SSL_CERT_FILE": str(bundle), "REQUESTS_CA_BUNDLE": str(bundle)})
    )
    for step, result in zip(steps, results, strict=True):
        wanted = step.values if step.error is None else step.error
        got = result.get("values" if step.error is None else "error", {})
        assert result["ok"] is (step.error is None), (step.name, result)
        assert {name: got.get(name) for name in wanted} == dict(wanted), step.name
