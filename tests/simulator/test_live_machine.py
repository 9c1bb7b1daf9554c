"""The Live machine as a whole: any order of legal and illegal messages, held against the rules."""

import json
from base64 import b64decode, b64encode
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


class Heard:
    """What one turn of the model said: bytes of audio, characters of text, ids of its calls."""

    def __init__(self):
        self.audio = 0
        self.text = ""
        self.calls = set()

    def part(self, part):
        if "inlineData" in part:
            self.audio += len(b64decode(part["inlineData"]["data"]))
        else:
            self.text += part["text"]

    def call(self, call):
        self.calls.add(call["id"])
        self.text += json.dumps({"name": call["name"], "args": call["args"]}, separators=(",", ":"))

    @property
    def tokens(self):
        """25 a second of 24 kHz, and one for 4 characters; a token begun counts."""
        return {"AUDIO": -(-self.audio * 25 // 48_000), "TEXT": typed(self.text)}


def typed(words):
    return -(-len(words) // 4)


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
        self.warnings = 0
        self.largest = 0
        # What the context must have, but for what the setup put there: `base`, known after a first plain turn.
        self.context = self.asked = 0
        self.base = 0
        self.is_plain = True
        self.heard = Heard()

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
        self.compressed, self.written = compressed, written
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
        self.context += typed(words)
        self.say({"clientContent": {"turns": [user(words)], "turnComplete": is_complete}})

    @rule(words=WORDS)
    def text(self, words):
        self.context += typed(words)
        self.say({"realtimeInput": {"text": words}})

    @rule(sound=st.sampled_from([LOUD, QUIET, blob(b"\x01")]))
    def audio(self, sound):
        self.is_plain = False
        self.largest += 25
        self.say({"realtimeInput": {"audio": sound}})

    @rule(mark=st.sampled_from(["activityStart", "activityEnd", "audioStreamEnd"]))
    def mark(self, mark):
        self.is_plain = False
        if self.polite and not self.manual:
            mark = "audioStreamEnd"
        self.say({"realtimeInput": {mark: True if mark == "audioStreamEnd" else {}}})

    @rule()
    def picture(self):
        self.is_plain = False
        # What the client showed and said since the last turn is cut away as one.
        self.largest += 258
        self.say({"realtimeInput": {"video": {"data": b64encode(b"jpeg").decode(), "mimeType": "image/jpeg"}}})

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def answer(self, data):
        self.is_plain = False
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
        assert self.over or self.warnings == 1, "the first ring warns, the second ends it"

    @precondition(lambda self: not self.polite)
    @rule(raw=ODD)
    def oddity(self, raw):
        self.is_plain = False
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
        self.warnings += "goAway" in message
        if "newHandle" in message.get("sessionResumptionUpdate", {}):
            assert not self.said and not self.blocking, "a handle although something is under way"
        if "modelTurn" in content or "toolCall" in message:
            assert not self.generated, f"{kind} after generationComplete"
            assert not self.blocking, f"{kind} while a call blocks"
            self.turn_begins()
            self.said += 1
        for part in content.get("modelTurn", {}).get("parts", ()):
            self.heard.part(part)
        if "toolCall" in message:
            for call in message["toolCall"]["functionCalls"]:
                assert call["id"] not in self.calls
                self.calls[call["id"]] = call["name"]
                self.heard.call(call)
        for call_id in message.get("toolCallCancellation", {}).get("ids", ()):
            self.calls.pop(call_id)
        if "generationComplete" in content:
            assert not self.generated and self.said
            self.generated = True
        if "interrupted" in content:
            assert not self.interrupted
            assert list(content) == ["interrupted"]
            assert not self.heard.calls & self.calls.keys(), "the calls of the turn were not taken back"
            self.interrupted = True
        if self.interrupted and kind not in ("interrupted", "turnComplete"):
            raise AssertionError(f"{kind} after interrupted")
        assert ("usageMetadata" in message) == ("turnComplete" in content)
        if "turnComplete" in content:
            self.turn_ended(message)

    @property
    def blocking(self):
        """The open calls that hold the session up: of functions that block, on models that can wait."""
        return [name for name in self.calls.values() if name == "switch_lamp" and self.model != NEWEST]

    def turn_begins(self):
        if not self.said:
            self.asked = self.context

    def turn_ended(self, message):
        usage, content = message["usageMetadata"], message["serverContent"]
        self.turn_begins()
        # Only a model that may keep silent leaves an answer out.
        assert self.interrupted or self.generated or (not self.said and self.model == NEWEST)
        side, other = ("candidates", "response") if self.is_vertex else ("response", "candidates")
        answered = usage.get(f"{side}TokenCount", 0)
        assert f"{other}TokenCount" not in usage
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + answered
        for name, total in (("prompt", usage["promptTokenCount"]), (side, answered)):
            assert sum(entry["tokenCount"] for entry in usage.get(f"{name}TokensDetails", ())) == total
        assert ("trafficType" in usage) == self.is_vertex
        self.check_sums(usage["promptTokenCount"], usage.get(f"{side}TokensDetails", ()))
        assert "modelTurn" not in content
        self.generated = self.interrupted = False
        self.said = 0

    def check_sums(self, prompt, answered):
        """The answer has what was heard; the prompt all that both sides said before (wire-live 4)."""
        counts = {entry["modality"]: entry["tokenCount"] for entry in answered}
        heard = self.heard.tokens
        assert counts.get("AUDIO", 0) == heard["AUDIO"]
        assert counts.get("TEXT", 0) >= heard["TEXT"] if self.written else counts.get("TEXT", 0) == heard["TEXT"]
        if not self.base and self.is_plain and not self.compressed:
            self.base = prompt - self.asked
            assert self.base >= 0
        if self.compressed:
            # Cut down to 60, or to the tools and what was said last.
            assert prompt < 200 or prompt <= self.largest + 120
        elif self.is_plain:
            assert prompt == self.base + self.asked
        else:
            assert prompt >= self.base + self.asked
        self.largest = max(self.largest, sum(heard.values()))
        self.context += sum(heard.values())
        self.heard = Heard()

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
