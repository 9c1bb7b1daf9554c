"""Live music sessions: setup, prompts, settings, control, what is played; as dialogues and over a socket."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_rig import KEY, simulator
from test_live_sessions import closed, hear, say, session

from understudy.scenario.json_subset import LazyJson
from understudy.surfaces import Place, Surface
from understudy_simulator.clock import ManualClock
from understudy_simulator.cues import Arrived, CloseWith, Elapsed, Finished, Gone, Opened, SendMessage, Wait
from understudy_simulator.live.machine.music import MusicSession

MUSIC = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic"
PLACE = Place(Surface.GEMINI_LIVE, "bidiGenerateMusic", "v1alpha", "")
SETUP = {"setup": {"model": "models/lyria-realtime-exp"}}
PIANO = {"clientContent": {"weightedPrompts": [{"text": "piano", "weight": 1.0}]}}
REFUSED = (CloseWith(1007, "Request contains an invalid argument."), Finished())


def told(machine, message) -> Any:
    return machine.on(Arrived(LazyJson(json.dumps(message).encode())))


def playing(*messages):
    """A session that plays, and the actions that came with PLAY."""
    machine = MusicSession(PLACE)
    for message in (SETUP, *(messages or (PIANO,))):
        told(machine, message)
    return machine, told(machine, {"playbackControl": "PLAY"})


def pcm(action):
    (chunk,) = json.loads(action.payload)["serverContent"]["audioChunks"]
    assert chunk["mimeType"] == "audio/l16;rate=48000;channels=2"
    return b64decode(chunk["data"], validate=True)


def test_music_plays_from_play_on_a_quarter_of_a_second_at_a_time():
    machine, actions = playing()
    first, wait = actions
    assert len(pcm(first)) == 48_000
    assert any(pcm(first))
    assert wait == Wait(0.25, 1, paced=False)
    again, wait = machine.on(Elapsed(1))
    assert (again, wait) == (first, Wait(0.25, 2, paced=True))
    assert machine.on(Elapsed(1)) == ()


@pytest.mark.parametrize("control", ["PAUSE", "STOP"])
def test_pause_and_stop_end_it_and_play_goes_on(control):
    machine, (_, wait) = playing()
    assert told(machine, {"playbackControl": control}) == ()
    assert machine.on(Elapsed(wait.id)) == ()
    assert isinstance(told(machine, {"playbackControl": "PLAY"})[0], SendMessage)
    assert told(machine, {"playbackControl": "PLAY"}) == ()
    assert told(machine, {"playbackControl": "RESET_CONTEXT"}) == ()


def test_prompts_and_settings_are_heard():
    plain = pcm(playing()[1][0])
    other = {"clientContent": {"weighted_prompts": [{"text": "drums", "weight": 1.0}]}}
    assert pcm(playing(other)[1][0]) != plain
    assert pcm(playing(PIANO, {"musicGenerationConfig": {"muteDrums": True}})[1][0]) != plain
    assert pcm(playing(PIANO, {"music_generation_config": {"bpm": 90, "scale": "D_MAJOR_B_MINOR"}})[1][0]) == plain


def test_a_filtered_prompt_is_told_and_left_out():
    machine = MusicSession(PLACE)
    told(machine, SETUP)
    bad = "[[understudy:block=SAFETY]]"
    (action,) = told(machine, {"clientContent": {"weightedPrompts": [{"text": bad, "weight": 1}]}})
    assert json.loads(action.payload) == {"filteredPrompt": {"text": bad, "filteredReason": "SAFETY"}}
    assert told(machine, {"playbackControl": "PLAY"}) == REFUSED


@pytest.mark.parametrize(
    "message",
    [
        SETUP,
        {},
        {"playbackControl": "PLAY"},
        {"playbackControl": "LOUDER"},
        {"clientContent": {"weightedPrompts": []}},
        {"clientContent": {"weightedPrompts": [{"text": "x", "weight": 0}]}},
        {"clientContent": {"weightedPrompts": [{"weight": 1}]}},
        {"clientContent": {"weightedPrompts": [{"text": "x", "weight": 10**400}]}},
        {"clientContent": {"weightedPrompts": [{"text": "x", "weight": -1e39}]}},
        {"clientContent": {"weightedPrompts": [{"text": "x", "weight": 1}] * 33}},
        {"musicGenerationConfig": {"bpm": 59}},
        {"musicGenerationConfig": {"bpm": 201}},
        {"musicGenerationConfig": {"guidance": 7}},
        {"musicGenerationConfig": {"muteBass": 1}},
        {"musicGenerationConfig": 3},
    ],
)
def test_what_is_refused(message):
    machine = MusicSession(PLACE)
    told(machine, SETUP)
    assert told(machine, message) == REFUSED
    assert told(machine, PIANO) == ()


@pytest.mark.parametrize("weights", [[3.4e38] * 32, [1e-320, -3.4e38], [-1]])
def test_the_largest_weights_can_be_played(weights):
    prompts = [{"text": f"{number}", "weight": weight} for number, weight in enumerate(weights)]
    assert any(pcm(playing({"clientContent": {"weightedPrompts": prompts}})[1][0]))


def test_setup_comes_first_and_names_a_music_model():
    assert told(MusicSession(PLACE), PIANO) == REFUSED
    assert told(MusicSession(PLACE), {"setup": {}}) == REFUSED
    (refused, _) = told(MusicSession(PLACE), {"setup": {"model": "models/gemini-2.5-flash"}})
    assert refused.code == 1008
    assert "is not supported for bidiGenerateMusic" in refused.reason
    (refused, _) = told(MusicSession(PLACE), {"realtimeInput": {}})
    assert refused.reason.startswith('Invalid JSON payload received. Unknown name "realtimeInput"')


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.sampled_from(["PLAY", "PAUSE", "piano", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["weightedPrompts", "text", "weight", "bpm", "muteBass", "scale", "model"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
messages = st.dictionaries(
    st.sampled_from(["setup", "clientContent", "musicGenerationConfig", "playbackControl", "x"]), anything, max_size=2
)


@given(st.lists(messages | st.sampled_from([PIANO, {"playbackControl": "PLAY"}]) | st.integers(0, 5), max_size=12))
def test_no_order_of_messages_breaks_it(script):
    machine = MusicSession(PLACE)
    machine.on(Opened())
    told(machine, SETUP)
    for step in script:
        was_over = machine.finished
        actions = machine.on(Elapsed(step)) if isinstance(step, int) else told(machine, step)
        assert not (was_over and actions)
        assert machine.finished == (was_over or bool(actions and isinstance(actions[-1], Finished)))
    assert machine.on(Gone(None)) in ((), (Finished(),))


async def test_music_over_a_socket():
    clock = ManualClock()
    async with simulator(clock=clock, speed=1.0) as running, session(running, MUSIC, KEY) as client:
        await say(client, SETUP)
        assert await hear(client) == {"setupComplete": {}}
        await say(client, PIANO)
        await say(client, {"playbackControl": "PLAY"})
        first = await hear(client)
        for _ in range(3):
            clock.advance(0.25)
            assert await hear(client) == first
        await say(client, {"musicGenerationConfig": {"bpm": 1}})
        assert (await closed(client))[0] == 1007
