"""Playback as dialogues: what happens, and what must come out, in order."""

import json
from base64 import b64decode
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from strategies import live_steps
from understudy.messages import BINARY, TEXT
from understudy.scenario.json_subset import LazyJson
from understudy.scenario.model import (
    Branch,
    Call,
    Case,
    CloseSession,
    Fault,
    Pause,
    Payload,
    Receive,
    ReceiveUntil,
    Repeat,
    Reply,
    Send,
    SendAudio,
    Slot,
    StartOperation,
    Step,
    Stream,
    Videos,
)
from understudy_simulator.cues import (
    Abort,
    Action,
    Answer,
    AnswerStream,
    Arrived,
    BeginOperation,
    CloseWith,
    Elapsed,
    Event,
    Finished,
    Gone,
    Opened,
    SendMessage,
    Stall,
    Unexpected,
    Wait,
)
from understudy_simulator.playback import Playback


def send(text: str, fault: Fault | None = None) -> Send:
    return Send(Payload((text.encode(),), "text"), BINARY, fault)


def sent(text: str, fault: Fault | None = None) -> SendMessage:
    return SendMessage(BINARY, text.encode(), fault)


def arrived(value: object) -> Arrived:
    return Arrived(LazyJson(json.dumps(value).encode()))


def reply(name: str, times: int = 1) -> Reply:
    return Reply(payload=Payload((name.encode(),), "text"), times=times)


def request(value: object = None) -> LazyJson:
    return LazyJson(json.dumps(value).encode())


def dialogue(steps: Sequence[Step], *turns: tuple[Event, Sequence[Action]], playback: Playback | None = None) -> None:
    """Each event, and exactly the actions that must follow it."""
    playback = playback or Playback(steps)
    played = [(event, list(playback.on(event))) for event, _ in turns]
    assert played == [(event, list(actions)) for event, actions in turns]


SETUP = Receive({"setup": {"model": "*"}})


def test_a_text_turn_is_played_step_by_step():
    steps = (SETUP, send("done"), Receive({"clientContent": {"turnComplete": True}}), Pause(0.12), send("Good"))
    dialogue(
        (*steps, Receive(close=True)),
        (Opened(), []),
        (arrived({"setup": {"model": "models/m"}}), [sent("done")]),
        (arrived({"client_content": {"turn_complete": True}}), [Wait(0.12, 1)]),
        (Elapsed(1), [sent("Good")]),
        (Gone(1000), [Finished()]),
        (arrived({}), []),
    )


def test_slots_are_filled_and_opcodes_kept():
    steps = (Send(Payload((b'{"m":"', Slot("model"), b'"}'), "json"), TEXT),)
    dialogue(
        steps,
        (Opened(), [SendMessage(TEXT, b'{"m":"a\\"b"}'), Finished()]),
        playback=Playback(steps, {"model": 'a"b'}),
    )


def test_a_message_that_does_not_fit_ends_the_script_and_says_why():
    dialogue(
        (send("hi"), SETUP),
        (
            arrived({"clientContent": {}}),
            [
                sent("hi"),
                Unexpected(
                    "[1]",
                    '{"setup":{"model":"*"}}',
                    'a message with clientContent (setup: wanted {"model":"*"}, found nothing)',
                ),
                Finished(),
            ],
        ),
        (arrived({"setup": {"model": "m"}}), []),
    )


def test_a_message_that_is_no_json_does_not_fit():
    playback = Playback((SETUP,))
    [unexpected, _] = playback.on(Arrived(LazyJson(b"\xff{")))
    assert isinstance(unexpected, Unexpected) and unexpected.found.startswith("a message that is no JSON object")


def test_messages_that_come_early_are_kept_for_the_steps_that_take_them():
    dialogue(
        (Pause(1), Receive({"a": 1}), send("a"), Receive({"b": 1}), send("b")),
        (Opened(), [Wait(1, 1)]),
        (arrived({"a": 1}), []),
        (arrived({"b": 1}), []),
        (Elapsed(1), [sent("a"), sent("b"), Finished()]),
    )


def test_receive_takes_messages_until_enough_media_came():
    frame = {"realtimeInput": {"audio": {"data": "A" * 2000, "mimeType": "audio/pcm"}}}  # 1500 bytes
    dialogue(
        (Receive({"realtimeInput": {"audio": "*"}}, min_bytes=3200), send("ok")),
        (arrived(frame), []),
        (arrived(frame), []),
        (arrived(frame), [sent("ok"), Finished()]),
    )


def test_without_media_the_bytes_of_messages_count():
    dialogue(
        (Receive(min_bytes=8), send("ok")),
        (Arrived(LazyJson(b"12345")), []),
        (Arrived(LazyJson(b"12345")), [sent("ok"), Finished()]),
    )


def test_a_deadline_runs_over_the_whole_wait():
    dialogue(
        (Receive(min_bytes=10, within_s=2), send("ok")),
        (Opened(), [Wait(2, 1, is_deadline=True)]),
        (Arrived(LazyJson(b"12345")), []),
        (Elapsed(1), [Unexpected("[0]", "a message", "nothing within 2s"), Finished()]),
    )


def test_the_end_of_an_old_wait_changes_nothing():
    dialogue(
        (Receive({"a": 1}, within_s=2), Pause(5), send("late")),
        (Opened(), [Wait(2, 1, is_deadline=True)]),
        (arrived({"a": 1}), [Wait(5, 2)]),
        (Elapsed(1), []),
        (Elapsed(2), [sent("late"), Finished()]),
    )


def test_receive_until_lets_others_pass():
    dialogue(
        (ReceiveUntil({"end": True}), send("ok")),
        (arrived({"more": 1}), []),
        (arrived({"end": True}), [sent("ok"), Finished()]),
    )


def test_until_the_close_all_messages_pass_and_what_follows_is_played():
    dialogue(
        (ReceiveUntil(close=True), CloseSession(1000)),
        (arrived({"more": 1}), []),
        (arrived({"more": 2}), []),
        (Gone(1000), [Finished()]),
    )
    dialogue(
        (ReceiveUntil(close=True, within_s=2),),
        (Opened(), [Wait(2, 1, is_deadline=True)]),
        (arrived({"more": 1}), []),
        (Elapsed(1), [Unexpected("[0]", "the close", "nothing within 2s"), Finished()]),
    )


def test_a_message_where_the_close_was_awaited_is_unexpected():
    dialogue(
        (Receive(close=True),),
        (arrived({"more": 1}), [Unexpected("[0]", "the close", "a message with more"), Finished()]),
    )


def test_the_other_side_leaving_early_is_unexpected():
    dialogue(
        (Receive({"a": 1}), send("x")),
        (Opened(), []),
        (Gone(1001), [Unexpected("[0]", '{"a":1}', "the close 1001"), Finished()]),
    )
    left = Unexpected("[1]", "the session to stay open for what is still to be sent", "the close")
    dialogue((Pause(1), send("x")), (Opened(), [Wait(1, 1)]), (Gone(None), [left, Finished()]))


def test_messages_before_the_close_are_still_taken():
    dialogue(
        (Pause(1), Receive({"a": 1}), Receive(close=True)),
        (Opened(), [Wait(1, 1)]),
        (arrived({"a": 1}), []),
        (Gone(1000), [Finished()]),
    )


def test_after_its_own_close_the_server_hears_nothing_but_the_close():
    dialogue(
        (CloseSession(1008, "no"), Receive(close=True)),
        (Opened(), [CloseWith(1008, "no")]),
        (arrived({"a": 1}), []),
        (Gone(1008), [Finished()]),
    )


def test_what_came_before_its_own_close_does_not_matter_any_more():
    dialogue(
        (Pause(1), CloseSession(1000), Receive(close=True)),
        (Opened(), [Wait(1, 1)]),
        (arrived({"a": 1}), []),
        (Elapsed(1), [CloseWith(1000, "")]),
        (Gone(1000), [Finished()]),
    )


def test_the_way_out_leads_through_all_repeats_without_end():
    inner = Repeat((Receive({"a": 1}),))
    dialogue((Repeat((inner,)), Receive(close=True)), (arrived({"a": 1}), []), (Gone(1000), [Finished()]))
    dialogue((Repeat((Repeat((inner,), 2),)), Receive(close=True)), (Gone(1000), [Finished()]))


def test_messages_that_nobody_takes_are_bounded():
    playback = Playback((Pause(1),))
    for _ in range(10_000):
        assert playback.on(arrived({})) in ((Wait(1, 1),), ())
    unexpected, finished = playback.on(arrived({}))
    assert isinstance(unexpected, Unexpected) and unexpected.wanted == "at most 10000 unread messages"
    assert finished == Finished()


def test_a_repeat_without_end_ends_when_the_other_side_leaves():
    dialogue(
        (Repeat((Receive({"a": 1}), send("x"))), Receive(close=True)),
        (arrived({"a": 1}), [sent("x")]),
        (arrived({"a": 1}), [sent("x")]),
        (Gone(1000), [Finished()]),
    )


def test_a_repeat_that_only_sends_lets_the_driver_breathe():
    playback = Playback((Repeat((send("x"),)),))
    first = playback.on(Opened())
    assert first[-1] == Wait(0.0, -1) and set(first[:-1]) == {sent("x")} and len(first) <= 65
    second = playback.on(Elapsed(-1))
    assert second[-1] == Wait(0.0, -2) and len(second) > 1


def test_branch_takes_the_first_case_that_fits():
    case_a = Case({"a": "*"}, (send("first"),))
    branch = Branch((case_a, Case({"a": 1}, (send("never"),)), Case({"b": "*"}, (send("b"),))), (send("else"),))
    dialogue((branch, send("then")), (arrived({"a": 1}), [sent("first"), sent("then"), Finished()]))
    dialogue((branch, send("then")), (arrived({"b": 0}), [sent("b"), sent("then"), Finished()]))
    dialogue((branch, send("then")), (arrived({"c": 0}), [sent("else"), sent("then"), Finished()]))


def test_branch_without_a_way_out_is_unexpected():
    place = Unexpected("[0].repeat[1]", 'one of {"a":1}', "a message with c")
    steps = (Repeat((send("q"), Branch((Case({"a": 1}, ()),)))),)
    dialogue(steps, (Opened(), [sent("q")]), (arrived({"c": 1}), [place, Finished()]))


# ---- audio


def audio_of(action: Action) -> bytes:
    assert isinstance(action, SendMessage)
    blob = json.loads(action.payload)["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
    assert blob["mimeType"] == "audio/pcm;rate=24000"
    return b64decode(blob["data"])


def test_one_second_of_audio_is_48000_bytes_in_whole_frames():
    *frames, done = Playback((SendAudio(1.0, 0.04),)).on(Opened())
    assert [len(audio_of(frame)) for frame in frames] == [1920] * 25 and done == Finished()


def test_the_last_frame_is_shorter_and_silence_is_zero():
    *frames, _ = Playback((SendAudio(0.1, 0.04, tone_hz=0),)).on(Opened())
    assert b"".join(map(audio_of, frames)) == bytes(4800) and len(audio_of(frames[-1])) == 960


def test_frames_cut_a_tone_without_a_click():
    whole = audio_of(Playback((SendAudio(0.2, 0.2),)).on(Opened())[0])
    assert b"".join(audio_of(f) for f in Playback((SendAudio(0.2, 0.013),)).on(Opened())[:-1]) == whole


def test_paced_audio_keeps_one_schedule():
    playback = Playback((SendAudio(0.12, 0.04, pace=2.0), send("end")))
    audio, wait = playback.on(Opened())
    assert len(audio_of(audio)) == 1920 and wait == Wait(0.02, 1, paced=False)
    audio, wait = playback.on(Elapsed(1))
    assert len(audio_of(audio)) == 1920 and wait == Wait(0.02, 2, paced=True)
    audio, *rest = playback.on(Elapsed(2))
    assert len(audio_of(audio)) == 1920 and rest == [sent("end"), Finished()]


def test_audio_is_interrupted_by_a_message_that_fits_and_by_no_other():
    stop = {"realtimeInput": {"activityStart": "*"}}
    playback = Playback((SendAudio(10, 0.04, pace=1.0, interrupt_on=stop), send("interrupted")))
    assert len(playback.on(Opened())) == 2
    assert playback.on(arrived({"realtimeInput": {"audio": {"data": "AAAA"}}})) == ()
    assert playback.on(arrived({"realtime_input": {"activity_start": {}}})) == (sent("interrupted"), Finished())


def test_an_hour_of_audio_is_made_as_it_is_sent():
    playback = Playback((SendAudio(3600, 0.04),))
    actions = playback.on(Opened())
    assert len(actions) <= 65 and isinstance(actions[-1], Wait)


def test_a_client_speaks_in_its_own_shape():
    [frame, _] = Playback((SendAudio(0.04, 0.04, rate_hz=16000),), side="client").on(Opened())
    assert isinstance(frame, SendMessage)
    assert json.loads(frame.payload)["realtimeInput"]["audio"]["mimeType"] == "audio/pcm;rate=16000"


# ---- faults


def test_faults_beside_a_message():
    cut = Fault("truncate", size=3)
    dialogue(
        (send("a", Fault("latency", 1)),),
        (Opened(), [Wait(1, 1, is_fault=True)]),
        (Elapsed(1), [sent("a"), Finished()]),
    )
    dialogue((send("a", Fault("stall", 1)),), (Opened(), [Stall(1, 1)]), (Elapsed(1), [sent("a"), Finished()]))
    dialogue((send("a", Fault("reset_peer")), send("b")), (Opened(), [Abort(), Finished()]))
    dialogue((send("a", cut), send("b")), (Opened(), [sent("a", cut), Finished()]))
    slices = Fault("slice", size=2)
    dialogue((send("a", slices), send("b")), (Opened(), [sent("a", slices), sent("b"), Finished()]))


def test_faults_by_themselves():
    dialogue((Fault("stall", 3), send("a")), (Opened(), [Stall(3, 1)]), (Elapsed(1), [sent("a"), Finished()]))
    dialogue((send("a"), Fault("reset_peer"), send("b")), (Opened(), [sent("a"), Abort(), Finished()]))


# ---- HTTP


def test_each_request_gets_the_next_answer():
    busy, done = reply("429", times=2), reply("200")
    playback = Playback((busy, done))
    assert playback.answer(request()) == (Answer(busy),)
    assert playback.answer(request()) == (Answer(busy),)
    assert not playback.finished
    assert playback.answer(request()) == (Answer(done), Finished())
    assert playback.finished and playback.answer(request()) == ()


def test_a_pause_before_an_answer_begins_with_the_request():
    one, two = reply("1"), reply("2")
    playback = Playback((one, Pause(0.5), Fault("stall", 2), two))
    assert playback.on(Opened()) == ()
    assert playback.answer(request()) == (Answer(one),)
    assert playback.answer(request()) == (Wait(0.5, 1), Stall(2, 2), Answer(two), Finished())


def test_a_reset_takes_the_place_of_an_answer():
    playback = Playback((Fault("reset_peer"), reply("ok")))
    assert playback.answer(request()) == (Abort(),)
    assert playback.answer(request()) == (Answer(reply("ok")), Finished())


def test_receive_looks_at_the_request_that_the_next_reply_answers():
    steps = (Receive({"a": 1}), reply("1"), Receive({"a": 2}, within_s=1), reply("2"))
    playback = Playback(steps)
    assert playback.answer(request({"a": 1})) == (Answer(reply("1")),)
    assert playback.answer(request({"a": 2})) == (Answer(reply("2")), Finished())
    unexpected, finished = Playback(steps).answer(request({"a": 5}))
    assert str(unexpected) == 'server[0]: expected {"a":1}, got a message with a (a: wanted 1, found 5)'
    assert finished == Finished()


def test_branch_and_repeat_serve_requests():
    steps = (Repeat((Branch((Case({"a": "*"}, (reply("a"),)),), (reply("else"),)),)),)
    playback = Playback(steps)
    assert playback.answer(request({"a": 1})) == (Answer(reply("a")),)
    assert playback.answer(request({})) == (Answer(reply("else")),)


def test_streams_and_operations_are_answers():
    stream, operation = Stream(()), StartOperation(Videos(1), 3)
    playback = Playback((stream, operation))
    assert playback.answer(request()) == (AnswerStream(stream),)
    assert playback.answer(request()) == (BeginOperation(operation), Finished())


def test_a_second_receive_before_the_answer_is_a_fault_of_the_script():
    [unexpected, _] = Playback((Receive(), Receive(), reply("1"))).answer(request())
    assert isinstance(unexpected, Unexpected) and unexpected.step == "[1]"


def test_the_clients_http_steps_are_not_played_here():
    [unexpected, _] = Playback((Call(),)).on(Opened())
    assert isinstance(unexpected, Unexpected)


# ---- properties


events = st.one_of(
    st.just(Opened()),
    st.sampled_from([{"a": 1}, {"b": 2}, {"setup": {}}, [], "x", None]).map(arrived),
    st.binary(max_size=8).map(lambda raw: Arrived(LazyJson(raw))),
    st.integers(0, 6).map(Elapsed),
    st.builds(Gone, st.none() | st.just(1000)),
)


@given(st.lists(live_steps(st.none() | st.integers(0, 3)), max_size=5), st.lists(events, max_size=12))
def test_playback_never_raises_and_never_acts_after_its_end(steps: list[Step], happening: list[Event]):
    playback = Playback(steps)
    ended = False
    for event in happening:
        actions = playback.on(event)
        assert not (ended and actions)
        assert len(actions) < 500
        assert Finished() not in actions[:-1]
        ended = ended or Finished() in actions
        assert ended == playback.finished


def breathless(playback: Playback, event: Event) -> list[Action]:
    """What the event brings, breaths taken; places left out, for they differ."""
    actions = list(playback.on(event))
    while actions and isinstance(actions[-1], Wait) and actions[-1].id < 0:
        breath = actions.pop()
        assert isinstance(breath, Wait)
        actions.extend(playback.on(Elapsed(breath.id)))
    return [Unexpected("", a.wanted, a.found) if isinstance(a, Unexpected) else a for a in actions]


@given(st.lists(live_steps(st.integers(0, 3)), max_size=3), st.integers(1, 3), st.lists(events, max_size=12))
def test_a_repeat_is_what_it_says_unrolled(steps: list[Step], times: int, happening: list[Event]):
    repeated, unrolled = Playback((Repeat(tuple(steps), times),)), Playback(steps * times)
    for event in happening:
        assert breathless(repeated, event) == breathless(unrolled, event)
