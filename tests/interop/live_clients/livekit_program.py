"""LiveKit's realtime plugin for Google: an `AgentSession` without a room, typed to and spoken to."""

# pyright: reportMissingImports=false

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from google.genai.types import HttpOptions
from google.oauth2 import service_account
from livekit import rtc
from livekit.agents import Agent, AgentSession, ConversationItemAddedEvent, UserInputTranscribedEvent, function_tool
from livekit.agents.voice.io import AudioInput
from livekit.plugins.google.realtime import RealtimeModel
from talking import HELLO, KEY, QUESTION, RATE_HZ, WEATHER, Plan, Talk, frames, hold, spoken_second

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class WeatherMan(Agent):
    """An agent with one tool."""

    def __init__(self) -> None:
        super().__init__(instructions="You tell the weather.")
        self.calls: list[dict[str, Any]] = []

    @function_tool
    async def get_weather(self, city: str) -> str:
        """The weather in a city."""
        self.calls.append({"name": "get_weather", "args": {"city": city}})
        return WEATHER


class Microphone(AudioInput):
    """Hands on what is put in, as a room's microphone would."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()

    def say(self, pcm: bytes) -> None:
        for piece in frames(pcm, 10):
            self.frames.put_nowait(piece)

    def __aiter__(self) -> AsyncIterator[rtc.AudioFrame]:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        piece = await self.frames.get()
        return rtc.AudioFrame(piece, sample_rate=RATE_HZ, num_channels=1, samples_per_channel=len(piece) // 2)


def gemini(plan: Plan, model: str) -> RealtimeModel:
    return RealtimeModel(model=model, api_key=KEY, http_options=HttpOptions(base_url=plan["base_url"]))


def vertex(plan: Plan, model: str) -> RealtimeModel:
    credentials = service_account.Credentials.from_service_account_file(plan["key_file"], scopes=[CLOUD_PLATFORM])
    place = {"project": plan["project"], "location": plan["location"], "credentials": credentials}
    return RealtimeModel(model=model, vertexai=True, http_options=HttpOptions(base_url=plan["base_url"]), **place)


async def conversation(model: RealtimeModel) -> dict[str, Any]:
    """Three turns: typed, spoken, and one for which the agent calls its tool."""
    said: asyncio.Queue[str] = asyncio.Queue()
    heard: list[str] = []
    session: AgentSession[None] = AgentSession(llm=model)
    microphone, agent = Microphone(), WeatherMan()
    session.input.audio = microphone

    @session.on("conversation_item_added")
    def _(event: ConversationItemAddedEvent) -> None:
        if event.item.type == "message" and event.item.role == "assistant":
            said.put_nowait(event.item.text_content or "")

    @session.on("user_input_transcribed")
    def _(event: UserInputTranscribedEvent) -> None:
        if event.is_final:
            heard.append(event.transcript)

    await session.start(agent)
    try:
        session.generate_reply(user_input=HELLO)
        typed = await said.get()
        microphone.say(spoken_second())
        spoken = await said.get()
        session.generate_reply(user_input=QUESTION)
        answer = await said.get()
        while "sunny" not in answer:
            answer += await said.get()
    finally:
        await session.aclose()
    return {
        "typed": {"said": typed},
        "spoken": {"said": spoken, "heard": "".join(heard)},
        "calls": agent.calls,
        "answer": {"said": answer},
    }


TALKS: dict[str, Talk] = {
    "gemini 2.5": lambda plan: conversation(gemini(plan, "gemini-2.5-flash-native-audio-preview-12-2025")),
    "gemini 3.1": lambda plan: conversation(gemini(plan, "gemini-3.1-flash-live-preview")),
    "gemini 3.8": lambda plan: conversation(gemini(plan, "gemini-3.8-live")),
    "vertex": lambda plan: conversation(vertex(plan, "gemini-live-2.5-flash-native-audio")),
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    hold(TALKS)
