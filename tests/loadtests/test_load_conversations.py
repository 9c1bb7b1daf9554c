"""What a scenario's client becomes under load, and what cannot be played there."""

import json
from base64 import b64decode
from dataclasses import replace

import pytest

from understudy.errors import ConfigError
from understudy.library import load
from understudy.load.conversations import DEFAULTS, Hear, Leave, Say, Speak, conversation_of, kind_of
from understudy.load.files import loadtests_folder
from understudy.load.plan import ArmPlan, Outcome, Plan, Use
from understudy.load.recording import Recording
from understudy.load.schedule import Arm, Pace
from understudy.messages import TEXT
from understudy.scenario.model import Pause, Receive, ReceiveUntil, SendAudio
from understudy.secret import Secret
from understudy.targets import load_target

GATEWAY = load_target("understudy", {})
DIRECT = load_target("direct", {})


def test_a_request_goes_to_the_prefix_of_its_surface() -> None:
    [ask] = conversation_of(load("gemini/generate"), GATEWAY, "/base").asks
    assert (ask.method, ask.target) == ("POST", "/base/gemini/v1beta/models/gemini-2.5-flash:generateContent")
    assert ask.headers == ((b"Content-Type", b"application/json"),)
    assert b"Say good morning." in ask.body
    [straight] = conversation_of(load("gemini/generate"), DIRECT).asks
    assert straight.target == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert straight.body == ask.body


def test_a_vertex_stream_names_project_and_location() -> None:
    [ask] = conversation_of(load("vertex/stream"), GATEWAY).asks
    start = "/vertex_ai/v1/projects/understudy-project/locations/us-central1/publishers/google/models/"
    assert ask.target.startswith(start)
    assert ask.target.endswith(":streamGenerateContent?alt=sse")


def test_a_live_session_is_its_steps_with_the_model_filled_in() -> None:
    conversation = conversation_of(load("live/text-turn"), GATEWAY)
    assert conversation.target.startswith("/vertex_ai/ws/google.cloud.aiplatform.")
    setup, ready, turn, answer, leave = conversation.talk
    assert isinstance(setup, Say) and b"projects/understudy-project/locations/us-central1" in setup.payload
    assert ready == Hear({"setupComplete": "*"}, until=False)
    assert isinstance(turn, Say) and b"Hello" in turn.payload
    assert isinstance(answer, Hear) and answer.until
    assert leave == Leave(1000)


@pytest.mark.parametrize(("kind", "scenario"), [(kind, id) for kind, ids in DEFAULTS.items() for id in ids])
def test_the_usual_scenarios_are_of_their_kind(kind: str, scenario: str) -> None:
    assert kind_of(load(scenario)) == kind


def test_an_operation_is_no_conversation_under_load() -> None:
    with pytest.raises(ConfigError, match="veo/text-to-video"):
        kind_of(load("veo/text-to-video"))


def test_a_session_that_speaks_is_of_a_kind_of_its_own() -> None:
    scenario = load("live/turns/automatic-activity")
    conversation = conversation_of(scenario, GATEWAY)
    assert kind_of(scenario) == conversation.kind == "audio"
    speech, silence = [step for step in conversation.talk if isinstance(step, Speak)]
    assert (len(speech.payloads), speech.every_s) == (20, 0.02) and (len(silence.payloads), silence.every_s) == (
        40,
        0.02,
    )
    blob = json.loads(speech.payloads[1])["realtimeInput"]["audio"]
    assert blob["mimeType"] == "audio/pcm;rate=16000" and len(b64decode(blob["data"])) == 640
    assert set(b64decode(json.loads(silence.payloads[0])["realtimeInput"]["audio"]["data"])) == {0}


@pytest.mark.parametrize(("pace", "every_s"), [(0.0, 0.0), (1.0, 0.04), (4.0, 0.01)])
def test_audio_goes_at_its_pace(pace: float, every_s: float) -> None:
    scenario = replace(load("live/text-turn"), client=(SendAudio(0.2, 0.04, 16000, pace=pace, opcode=TEXT),))
    [speak] = conversation_of(scenario, GATEWAY).talk
    assert isinstance(speak, Speak) and (len(speak.payloads), speak.is_text, speak.every_s) == (5, True, every_s)


def test_bytes_that_are_waited_for_are_kept() -> None:
    scenario = replace(load("live/text-turn"), client=(Receive({"a": 1}, min_bytes=7),))
    assert conversation_of(scenario, GATEWAY).talk == (Hear({"a": 1}, until=False, min_bytes=7),)


@pytest.mark.parametrize("step", [SendAudio(1.0, interrupt_on={}), Receive(close=True), ReceiveUntil(close=True)])
def test_a_step_that_cannot_be_played_is_named(step: SendAudio | Receive | ReceiveUntil) -> None:
    scenario = load("live/text-turn")
    with pytest.raises(ConfigError, match=r"live/text-turn: .* cannot be played under load"):
        conversation_of(replace(scenario, client=(*scenario.client, step)), GATEWAY)
    assert conversation_of(replace(scenario, client=(Pause(0.5),)), GATEWAY).talk


def test_a_plan_is_given_back_by_its_json_which_holds_no_key() -> None:
    own, other = Secret("sk-own-0123456789"), Secret("sk-any-0123456789")
    arms: dict[Arm, ArmPlan] = {
        "direct": ArmPlan("http://127.0.0.1:1", replace(DIRECT, key=other, features=frozenset()), False),
        "through": ArmPlan("http://127.0.0.1:2", replace(GATEWAY, key=own, features=frozenset()), True),
    }
    plan = Plan(3, Pace(20, 1, 5, 0.5), ("gemini/generate",), arms, {"gateway": 12}, "/ca.pem", "out.json")
    text = plan.as_json()
    assert "0123456789" not in str(text)
    back = Plan.of_json(text, own, other)
    assert back.as_json() == text
    assert [back.arms[arm].target.key for arm in ("direct", "through")] == [other, own]
    assert back.arms["through"].target.prefixes == GATEWAY.prefixes
    with pytest.raises(ConfigError, match="no plan"):
        Plan.of_json({"seed": 1}, own, other)


def test_an_outcome_is_given_back_by_its_json() -> None:
    recording = Recording()
    recording.took("live", "setup", "direct", 2, 0.01)
    outcome = Outcome(recording, {"gateway": Use(1.5, 1 << 20, 3 << 20)}, 12.5, False)
    assert Outcome.of_json(outcome.as_json()).as_json() == outcome.as_json()
    assert outcome.uses["gateway"].growth_mib == 2.0
    with pytest.raises(ConfigError, match="no outcome"):
        Outcome.of_json({"recording": {}})


def test_the_folder_of_the_load_tests_has_what_is_run() -> None:
    assert {"locustfile.py", "limits.yaml", "README.md"} <= {path.name for path in loadtests_folder().iterdir()}
