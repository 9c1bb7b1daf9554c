"""Google's Agent Development Kit: agents that hold Live conversations by `Runner.run_live`."""

# pyright: reportMissingImports=false

from typing import Any

from google.adk.agents import Agent, LiveRequestQueue
from google.adk.agents.run_config import RunConfig
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner
from google.genai import types
from google.oauth2 import service_account
from talking import HELLO, KEY, QUESTION, WEATHER, Plan, Talk, frames, hold, spoken_second

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
CALLS: list[dict[str, Any]] = []


def get_weather(city: str) -> str:
    """The weather in a city."""
    CALLS.append({"name": "get_weather", "args": {"city": city}})
    return WEATHER


def gemini(plan: Plan, model: str) -> Gemini:
    return Gemini(model=model, base_url=plan["base_url"], client_kwargs={"api_key": KEY})


def vertex(plan: Plan, model: str) -> Gemini:
    credentials = service_account.Credentials.from_service_account_file(plan["key_file"], scopes=[CLOUD_PLATFORM])
    place = {"project": plan["project"], "location": plan["location"], "credentials": credentials}
    return Gemini(model=model, base_url=plan["base_url"], client_kwargs={"vertexai": True, **place})


async def conversation(model: Gemini) -> dict[str, Any]:
    """Three turns: typed, spoken, and one for which the agent calls its tool."""
    CALLS.clear()
    runner = InMemoryRunner(Agent(name="weather_man", model=model, tools=[get_weather]), app_name="weather")
    session = await runner.session_service.create_session(app_name="weather", user_id="u")
    queue = LiveRequestQueue()
    config = RunConfig(
        response_modalities=["AUDIO"],
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
    )
    events = runner.run_live(user_id="u", session_id=session.id, live_request_queue=queue, run_config=config)
    turns = []
    queue.send_content(types.Content(role="user", parts=[types.Part(text=HELLO)]))
    turns.append(await turn_of(events))
    for piece in frames(spoken_second()):
        queue.send_realtime(types.Blob(data=piece, mime_type="audio/pcm;rate=16000"))
    turns.append(await turn_of(events))
    queue.send_content(types.Content(role="user", parts=[types.Part(text=QUESTION)]))
    asked = await turn_of(events, "sunny")
    queue.close()
    await events.aclose()
    return {"typed": turns[0], "spoken": turns[1], "calls": CALLS.copy(), "answer": asked}


async def turn_of(events: Any, until: str = "") -> dict[str, Any]:
    """What the agent says until the end of a turn by which it has said `until`."""
    turn = {"said": "", "heard": "", "bytes": 0}
    async for event in events:
        for part in event.content.parts if event.content and event.content.parts else []:
            turn["bytes"] += len(part.inline_data.data) if part.inline_data else 0
        # ADK tells a transcription in pieces and then once more, whole; what a 3.x model heard, only whole.
        if event.output_transcription and event.output_transcription.finished:
            turn["said"] += event.output_transcription.text or ""
        if event.input_transcription and event.input_transcription.finished:
            turn["heard"] += event.input_transcription.text or ""
        if event.turn_complete and until in turn["said"]:
            break
    return turn


TALKS: dict[str, Talk] = {
    "gemini 2.5": lambda plan: conversation(gemini(plan, "gemini-2.5-flash-native-audio-preview-12-2025")),
    "gemini 3.1": lambda plan: conversation(gemini(plan, "gemini-3.1-flash-live-preview")),
    "gemini 3.8": lambda plan: conversation(gemini(plan, "gemini-3.8-live")),
    "vertex": lambda plan: conversation(vertex(plan, "gemini-live-2.5-flash-native-audio")),
}

if __name__ == "__main__":
    hold(TALKS)
