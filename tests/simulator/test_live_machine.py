"""The Live machine as a whole: any order of legal and illegal messages, held against the rules."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from live_rig import GEMINI, HALF_CASCADE, NATIVE, NEWER, NEWEST, VERTEX, VERTEX_MODEL, blob, silence, tone, user

from understudy.messages import BINARY
from understudy.scenario.json_subset import LazyJson
from understudy_simulator.cues import Alarm, Arrived, CloseWith, Elapsed, Finished, Gone, Opened, SendMessage, Wait
from understudy_simulator.ids import Identity
from understudy_simulator.live.machine.conversation import Conversation
from understudy_simulator.live.machine.memory import SessionMemory
from understudy_simulator.live.settings import LiveSettings

FUNCTIONS = [
    {"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}},
    {"name": "open_door", "behavior": "NON_BLOCKING"},
]
PLACES = {HALF_CASCADE: GEMINI, NATIVE: GEMINI, NEWER: GEMINI, NEWEST: GEMINI, VERTEX_MODEL: VERTEX}
LOUD, QUIET = tone(0.3), silence(0.9)
WORDS = st.sampled_from(
    ["Hi", "switch lamp", "open door", "switch lamp and open door", "think", "", "[[understudy:silence]]"]
)
ODD = st.sampled_from(
    [
        b"",
        b"[]",
        b"{",
        b'{"hello":1}',
        b'{"setup":{}}',
        b'{"clientContent":{"turns":[{"parts":3,"role":[]}],"turnComplete":true}}',
        b'{"clientContent":{"turns":[{"role":"system","parts":[{"text":"x"}]}],"turnComplete":true}}',
        b'{"clientContent":{"turns":[{"parts":[{"text":"x"}]}],"turnComplete":true}}',
        b'{"realtimeInput":{"audio":{"data":"!"}}}',
        b'{"realtimeInput":{"mediaChunks":[{"data":"AAAA","mimeType":"audio/pcm"}]}}',
        b'{"toolResponse":{"functionResponses":[{"id":"nobody","name":"x","response":{}}]}}',
        b'{"toolResponse":{}}',
        b'{"contextUpdate":{"tools":{"tools":[]}}}',
        b'{"setup":{"model":"models/x"}}',
        b'{"clientContent":{},"toolResponse":{}}',
    ]
)


class LiveRules(RuleBasedStateMachine):
    """A client that does what it likes; after every event the rules of wire-live 3 to 5 must hold."""

    def __init__(self):
        super().__init__()
        self.machine: Any = None
        self.polite = self.manual = False
        self.wait: Any = None
        self.alarm: Any = None
        self.at = 0.0
        self.over = False
        self.ready = False
        self.unended = 0
        self.generated = False
        self.interrupted = False
        self.said = 0
        self.calls = {}
        self.prompt = 0
        self.sums = True

    @initialize(
        model=st.sampled_from(sorted(PLACES)),
        manual=st.booleans(),
        keeps=st.booleans(),
        written=st.booleans(),
        bundles=st.booleans(),
        compressed=st.booleans(),
        resumes=st.booleans(),
        has_tools=st.booleans(),
        polite=st.booleans(),
    )
    def open(self, model, manual, keeps, written, bundles, compressed, resumes, has_tools, polite):
        self.polite, self.manual = polite, manual
        self.model, self.keeps = model, keeps
        self.bundles, self.resumes = bundles, resumes
        self.is_vertex = PLACES[model] is VERTEX
        memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        self.machine = Conversation(PLACES[model], Identity(0, "", 1), LiveSettings(bundles=bundles), memory)
        setup = {"model": model, "realtimeInputConfig": {}}
        if manual:
            setup["realtimeInputConfig"]["automaticActivityDetection"] = {"disabled": True}
        if keeps:
            setup["realtimeInputConfig"]["activityHandling"] = "NO_INTERRUPTION"
        if written:
            setup |= {"inputAudioTranscription": {}, "outputAudioTranscription": {}}
        if compressed:
            setup["contextWindowCompression"] = {"triggerTokens": 200, "slidingWindow": {"targetTokens": 60}}
        self.compressed = compressed
        if resumes:
            setup["sessionResumption"] = {}
        if has_tools:
            functions = FUNCTIONS[:1] if model == NEWER else FUNCTIONS
            setup["tools"] = [{"functionDeclarations": functions}]
        self.tell(Opened())
        self.say({"setup": setup})
        assert self.ready

    # -- what a client and the time may do

    @rule(words=WORDS, is_complete=st.booleans())
    def content(self, words, is_complete):
        self.say({"clientContent": {"turns": [user(words)], "turnComplete": is_complete}})

    @rule(words=WORDS)
    def text(self, words):
        self.say({"realtimeInput": {"text": words}})

    @rule(sound=st.sampled_from([LOUD, QUIET, blob(b"\x01")]))
    def audio(self, sound):
        self.say({"realtimeInput": {"audio": sound}})

    @rule(mark=st.sampled_from(["activityStart", "activityEnd", "audioStreamEnd"]))
    def mark(self, mark):
        if self.polite and not self.manual:
            mark = "audioStreamEnd"
        self.say({"realtimeInput": {mark: True if mark == "audioStreamEnd" else {}}})

    @rule()
    def picture(self):
        self.say({"realtimeInput": {"video": {"data": b64encode(b"jpeg").decode(), "mimeType": "image/jpeg"}}})

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def answer(self, data):
        call_id = data.draw(st.sampled_from(sorted(self.calls)))
        scheduling = data.draw(st.sampled_from(["INTERRUPT", "WHEN_IDLE", "SILENT"]))
        response = {"id": call_id, "name": self.calls.pop(call_id), "response": {}, "scheduling": scheduling}
        self.say({"toolResponse": {"functionResponses": [response]}})

    @precondition(lambda self: self.wait is not None)
    @rule(steps=st.integers(1, 400))
    def pause(self, steps):
        for _ in range(steps):
            if self.wait is None:
                return
            wait, self.wait = self.wait, None
            self.tell(Elapsed(wait.id, self.at))

    @rule(id=st.integers(-1, 50))
    def stale_timer(self, id):
        if (self.wait is None or self.wait.id != id) and (self.alarm is None or self.alarm.id != id):
            assert self.tell(Elapsed(id, self.at)) == ()

    @precondition(lambda self: self.alarm is not None and not self.polite)
    @rule()
    def alarm_rings(self):
        alarm, self.alarm = self.alarm, None
        self.at += alarm.seconds
        self.tell(Elapsed(alarm.id, self.at))

    @precondition(lambda self: not self.polite)
    @rule(raw=ODD)
    def oddity(self, raw):
        self.tell(Arrived(LazyJson(raw), self.at))

    @precondition(lambda self: not self.polite)
    @rule(code=st.sampled_from([None, 1000, 1001]))
    def leave(self, code):
        self.tell(Gone(code))

    # -- what must hold

    def say(self, message):
        self.tell(Arrived(LazyJson(json.dumps(message).encode()), self.at))

    def tell(self, event):
        actions = self.machine.on(event)
        assert not (self.over and actions), "something after the end"
        for place, action in enumerate(actions):
            match action:
                case SendMessage(opcode, payload, None):
                    assert opcode == BINARY
                    self.hear(json.loads(payload))
                case Wait():
                    assert not any(isinstance(later, Wait) for later in actions[place + 1 :])
                    self.wait = action
                case Alarm():
                    self.alarm = action
                case CloseWith(code, reason):
                    assert code in (1007, 1008)
                    assert len(reason.encode()) <= 123
                    assert actions[place + 1 :] == (Finished(),)
                case Finished():
                    assert place == len(actions) - 1
                    self.over = True
                case _:
                    raise AssertionError(action)
        return actions

    def hear(self, message):
        assert self.ready or list(message) == ["setupComplete"]
        self.ready = True
        content = message.get("serverContent", {})
        kind = next(iter(content or message))
        if "modelTurn" in content or "toolCall" in message:
            assert not self.generated, f"{kind} after generationComplete"
            self.said += 1
        if "toolCall" in message:
            for call in message["toolCall"]["functionCalls"]:
                assert call["id"] not in self.calls
                self.calls[call["id"]] = call["name"]
        for call_id in message.get("toolCallCancellation", {}).get("ids", ()):
            self.calls.pop(call_id)
        if "generationComplete" in content:
            assert not self.generated and self.said
            self.generated = True
        if "interrupted" in content:
            assert not self.interrupted
            assert list(content) == ["interrupted"]
            self.interrupted = True
        if self.interrupted and kind not in ("interrupted", "turnComplete"):
            raise AssertionError(f"{kind} after interrupted")
        assert ("usageMetadata" in message) == ("turnComplete" in content)
        if "turnComplete" in content:
            self.turn_ended(message)

    def turn_ended(self, message):
        usage, content = message["usageMetadata"], message["serverContent"]
        silent = not self.said
        assert self.interrupted or self.generated or silent or self.model == NEWER or self.model == NEWEST
        side, other = ("candidates", "response") if self.is_vertex else ("response", "candidates")
        answered = usage.get(f"{side}TokenCount", 0)
        assert f"{other}TokenCount" not in usage
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + answered
        for name, total in (("prompt", usage["promptTokenCount"]), (side, answered)):
            assert sum(entry["tokenCount"] for entry in usage.get(f"{name}TokensDetails", ())) == total
        assert ("trafficType" in usage) == self.is_vertex
        if not self.compressed:
            assert usage["promptTokenCount"] >= self.prompt, "the prompt of a turn holds all that was before"
        self.prompt = usage["promptTokenCount"]
        assert "modelTurn" not in content
        self.generated = self.interrupted = False
        self.said = 0

    @invariant()
    def ends_are_told(self):
        if self.machine is not None:
            assert self.machine.finished == self.over


LiveRules.TestCase.settings = settings(stateful_step_count=30)
test_any_order_of_messages_keeps_the_rules = LiveRules.TestCase


@pytest.mark.parametrize("model", sorted(PLACES))
def test_the_same_client_gets_the_same_bytes(model):
    def played():
        memory = SessionMemory(lambda: datetime(2026, 1, 1, tzinfo=UTC))
        machine = Conversation(PLACES[model], Identity(7, "a", 3), LiveSettings(), memory)
        tools = [{"functionDeclarations": FUNCTIONS[:1]}]
        script = [
            {"setup": {"model": model, "tools": tools, "sessionResumption": {}, "outputAudioTranscription": {}}},
            {"clientContent": {"turns": [user("switch lamp")], "turnComplete": True}},
            {"realtimeInput": {"audio": LOUD}},
            {"realtimeInput": {"audio": QUIET}},
        ]
        found = []
        for message in script:
            pending = [Arrived(LazyJson(json.dumps(message).encode()))]
            while pending:
                actions = machine.on(pending.pop())
                found += actions
                pending = [Elapsed(action.id) for action in actions if isinstance(action, Wait)]
        return found

    assert played() == played()
    assert len(played()) > 5
