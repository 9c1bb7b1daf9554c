"""A client of a free Live conversation, without a socket: what it says, and all that must come out."""

import json
from base64 import b64decode, b64encode
from math import pi, sin
from struct import pack
from typing import Any

from understudy.messages import BINARY
from understudy.scenario.json_subset import LazyJson
from understudy.surfaces import Place, Surface
from understudy_simulator.cues import Alarm, Arrived, CloseWith, Elapsed, Finished, SendMessage, Wait
from understudy_simulator.ids import Identity
from understudy_simulator.live.machine.conversation import Conversation
from understudy_simulator.live.settings import LiveSettings

GEMINI = Place(Surface.GEMINI_LIVE, "bidiGenerateContent", "v1beta", "")
VERTEX = Place(Surface.VERTEX_LIVE, "bidiGenerateContent", "v1beta1", "")
IDENTITY = Identity(0, "", 1)
HALF_CASCADE = "models/gemini-live-2.5-flash-preview"
QUICK = LiveSettings(waits_for_playback=False)
NATIVE = "models/gemini-2.5-flash-native-audio-latest"
NEWER = "models/gemini-3.1-flash-live-preview"
NEWEST = "models/gemini-3.8-live"
VERTEX_MODEL = "projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash"
LAMP = {"functionDeclarations": [{"name": "switch_lamp", "parameters": {"type": "OBJECT", "properties": {}}}]}
BYE = "This answer comes from the simulator, not from a model."


class Talk:
    """A conversation and its client; waits are over at once unless they are let run."""

    def __init__(self, place=GEMINI, identity=IDENTITY, settings=QUICK, memory=None, **how: Any):
        self.machine = Conversation(place, identity, settings, memory, **how)
        self.waiting: Any = None
        self.waits = []
        self.alarm: Any = None
        self.now = 0.0

    def tell(self, event):
        """The actions, waits taken out."""
        found = []
        for action in self.machine.on(event):
            if isinstance(action, Wait):
                self.waiting = action
                self.waits.append(action)
            elif isinstance(action, Alarm):
                self.alarm = action
            else:
                found.append(action)
        return found

    def start_to_say(self, **message):
        """Say something; gives what comes before the first pause."""
        return shown(self.tell(Arrived(LazyJson(json.dumps(message).encode()), self.now)))

    def go_on(self, until=None):
        """What comes until nothing is waited for any more, or until a message of the kind `until`."""
        found = []
        while self.waiting is not None and not any(until in message for message in found if until):
            wait, self.waiting = self.waiting, None
            found += shown(self.tell(Elapsed(wait.id, self.now)))
        return found

    def ring(self):
        """The alarm goes off: what comes of it."""
        alarm, self.alarm = self.alarm, None
        self.now += alarm.seconds
        return shown(self.tell(Elapsed(alarm.id, self.now)))

    def say(self, **message):
        return self.start_to_say(**message) + self.go_on()

    def open(self, model: Any = HALF_CASCADE, modality: Any = "TEXT", **setup):
        return self.say(setup={"model": model, "generationConfig": {"responseModalities": [modality]}} | setup)

    def ask(self, text, **content):
        return self.say(clientContent={"turns": [user(text)], "turnComplete": True} | content)


def user(text):
    return {"role": "user", "parts": [{"text": text}]}


def shown(actions):
    """Messages as JSON values, in binary frames as the services send them; other actions as they are."""
    assert all(action.opcode == BINARY for action in actions if isinstance(action, SendMessage))
    return [json.loads(action.payload) if isinstance(action, SendMessage) else action for action in actions]


def text(piece):
    return {"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": piece}]}}}


COMPLETE = {"serverContent": {"generationComplete": True}}
INTERRUPTED = {"serverContent": {"interrupted": True}}
REFUSED = [CloseWith(1007, "Request contains an invalid argument."), Finished()]


def end(prompt, response):
    """The end of a turn on the Gemini API; counts as (TEXT, AUDIO)."""

    def details(counts):
        pairs = zip(("TEXT", "AUDIO"), counts, strict=True)
        return [{"modality": name, "tokenCount": count} for name, count in pairs if count]

    usage = {"promptTokenCount": sum(prompt)}
    usage |= {"responseTokenCount": sum(response)} if sum(response) else {}
    usage |= {"totalTokenCount": sum(prompt) + sum(response), "promptTokensDetails": details(prompt)}
    usage |= {"responseTokensDetails": details(response)} if sum(response) else {}
    return {"serverContent": {"turnComplete": True}, "usageMetadata": usage}


def pcm_in(messages):
    """The audio of model turns, joined."""
    parts = [m["serverContent"]["modelTurn"]["parts"][0] for m in messages if "modelTurn" in m.get("serverContent", {})]
    assert all(part["inlineData"]["mimeType"] == "audio/pcm;rate=24000" for part in parts)
    return b"".join(b64decode(part["inlineData"]["data"], validate=True) for part in parts)


def words_in(messages, name):
    return "".join(m["serverContent"][name]["text"] for m in messages if name in m.get("serverContent", {}))


def tone(seconds, rate_hz=16_000, level=8000):
    """A blob of a loud tone, as clients send audio."""
    samples = [round(level * sin(2 * pi * 200 * at / rate_hz)) for at in range(round(seconds * rate_hz))]
    return blob(pack(f"<{len(samples)}h", *samples), rate_hz)


def silence(seconds, rate_hz=16_000):
    return blob(bytes(round(seconds * rate_hz) * 2), rate_hz)


def blob(pcm, rate_hz=16_000):
    return {"data": b64encode(pcm).decode(), "mimeType": f"audio/pcm;rate={rate_hz}"}


def words_of(messages):
    """The text of model turns, joined."""
    turns = [m["serverContent"]["modelTurn"] for m in messages if "modelTurn" in m.get("serverContent", {})]
    return "".join(turn["parts"][0]["text"] for turn in turns)


def call_of(message):
    (call,) = message["toolCall"]["functionCalls"]
    return call


def kinds_of(messages):
    """What each message is about: the names inside `serverContent`, else its own."""
    found = []
    for message in messages:
        if isinstance(message, dict):
            found += list(message.get("serverContent") or [next(iter(message))])
        else:
            found.append(type(message).__name__)
    return found
