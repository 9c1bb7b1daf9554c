"""Holds the Live conversations that it is asked for with google-genai, all at once; prints one line of JSON for each.

Reads `{"base_url", "hurried_url", "service", "talks"}` from standard input, where "hurried_url" is a server whose
connections are short. It runs outside this project's environment. Its talks are those of live_program.mjs.
"""

import asyncio
import hashlib
import json
import math
import struct
import sys
from typing import Any

from google import genai  # pyright: ignore[reportAttributeAccessIssue]
from google.genai import errors, types  # pyright: ignore[reportMissingImports]

LAMP = {"name": "switch_lamp", "description": "d", "parameters": {"type": "OBJECT", "properties": {}}}
LIMIT_S = 60


class Talks:
    """The conversations, each on a connection of its own."""

    def __init__(self, client, hurried, is_vertex):
        self.client = client
        self.hurried = hurried
        self.is_vertex = is_vertex
        self.text_model = "gemini-live-2.5-flash" if is_vertex else "gemini-live-2.5-flash-preview"
        self.audio_model = "gemini-live-2.5-flash-native-audio" if is_vertex else "gemini-2.5-flash-native-audio-latest"

    def connect(self, model=None, client=None, **config):
        config.setdefault("response_modalities", ["AUDIO" if model == self.audio_model else "TEXT"])
        return (client or self.client).aio.live.connect(model=model or self.text_model, config=config)

    async def text_turn(self):
        async with self.connect() as session:
            await say(session, "Hello there")
            return await hear(session)

    async def five_turns(self):
        async with self.connect() as session:
            turns = []
            for number in range(5):
                await say(session, f"Question {number}")
                turns.append(await hear(session))
            return {"texts": [turn["text"] for turn in turns], "prompts": [turn["usage"][0] for turn in turns]}

    async def audio_automatic(self):
        transcription = {"input_audio_transcription": {}, "output_audio_transcription": {}}
        async with self.connect(self.audio_model, **transcription) as session:
            await stream(session, tone(1.0), bytes(32_000))
            return await hear(session)

    async def audio_manual(self):
        manual = {"automatic_activity_detection": {"disabled": True}}
        async with self.connect(realtime_input_config=manual) as session:
            await session.send_realtime_input(activity_start=types.ActivityStart())
            await stream(session, tone(1.0), bytes(16_000))
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            return await hear(session)

    async def stream_end(self):
        async with self.connect() as session:
            await stream(session, tone(1.0))
            await session.send_realtime_input(audio_stream_end=True)
            return await hear(session)

    async def ten_seconds(self):
        async with self.connect(self.audio_model, output_audio_transcription={}) as session:
            await say(session, "x" * 81)
            return await hear(session)

    async def interruption(self):
        async with self.connect(self.audio_model) as session:
            await say(session, "Tell me a long story, " + "and go on, " * 60)
            found = await hear(session, on_audio=lambda: stream(session, tone(0.3)))
            await stream(session, bytes(32_000))
            return found | {"next": await hear(session)}

    async def tool(self):
        async with self.connect(tools=[{"function_declarations": [LAMP]}]) as session:
            await say(session, "Please switch lamp on")
            calling = await hear(session)
            await respond(session, calling["calls"][0])
            return {"calls": calling["calls"], "answer": await hear(session)}

    async def tool_not_blocking(self):
        late = LAMP | {"behavior": "NON_BLOCKING"}
        tools = [{"function_declarations": [late]}]
        async with self.connect(self.audio_model, tools=tools, output_audio_transcription={}) as session:
            await say(session, "Please switch lamp on")
            calling = await hear(session)
            await say(session, "And what else?")
            meanwhile = await hear(session)
            await respond(session, calling["calls"][0], scheduling="WHEN_IDLE")
            return {"calling": calling, "meanwhile": meanwhile, "answer": await hear(session)}

    async def cancellation(self):
        async with self.connect(tools=[{"function_declarations": [LAMP]}]) as session:
            await say(session, "Please switch lamp on")
            calling = await hear(session)
            await stream(session, tone(0.5))
            async for message in session.receive():
                if message.tool_call_cancellation:
                    return {"asked": [calling["calls"][0]["id"]], "cancelled": message.tool_call_cancellation.ids}
        return {}

    async def go_away(self):
        handle, time_left = None, None
        async with self.connect(client=self.hurried, session_resumption={}) as session:
            await say(session, "Hello there")
            first = await hear(session)
            try:
                while True:
                    async for message in session.receive():
                        update = message.session_resumption_update
                        if update and update.resumable:
                            handle = update.new_handle
                        if message.go_away:
                            time_left = message.go_away.time_left
                            break
                    if time_left is not None:
                        break
            except errors.APIError as error:
                return {"error": error.code}
        async with self.connect(client=self.hurried, session_resumption={"handle": handle}) as session:
            await say(session, "Hello again")
            second = await hear(session)
        return {"time_left": time_left, "usage": [first["usage"], second["usage"]]}

    async def ignored_go_away(self):
        async with self.connect(client=self.hurried) as session:
            return await failure_of(session.receive())

    async def music(self):
        async with self.client.aio.live.music.connect(model="models/lyria-realtime-exp") as session:
            await session.set_weighted_prompts(prompts=[types.WeightedPrompt(text="piano", weight=1.0)])
            await session.set_music_generation_config(config=types.LiveMusicGenerationConfig(bpm=90, temperature=1.0))
            await session.play()
            sizes = []
            async for message in session.receive():
                sizes += [len(chunk.data) for chunk in message.server_content.audio_chunks]
                if len(sizes) == 3:
                    await session.stop()
                    return sizes
        return []

    async def refused_setup(self):
        refusals = {}
        wrong = {
            "modality": {"model": self.audio_model, "response_modalities": ["TEXT"]},
            "model": {"model": "gemini-nobody"},
            "voice": {
                "model": self.audio_model,
                "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Nobody"}}},
            },
            "handle": {"model": None, "session_resumption": {"handle": "h" * 64}},
        }
        for name, config in wrong.items():
            try:
                async with self.connect(**config) as session:
                    refusals[name] = await failure_of(session.receive())
            except errors.APIError as error:
                refusals[name] = [error.code, str(error.details)]
        return refusals


async def say(session, text):
    turn = types.Content(role="user", parts=[types.Part(text=text)])
    await session.send_client_content(turns=turn, turn_complete=True)


async def respond(session, call, **fields):
    response = types.FunctionResponse(id=call["id"], name=call["name"], response={"result": "ok"}, **fields)
    await session.send_tool_response(function_responses=response)


async def stream(session, *sounds):
    for pcm in sounds:
        for start in range(0, len(pcm), 3200):
            blob = types.Blob(data=pcm[start : start + 3200], mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)


def tone(seconds):
    return b"".join(struct.pack("<h", round(8000 * math.sin(at / 12))) for at in range(int(16_000 * seconds)))


async def hear(session, on_audio=None) -> dict[str, Any]:
    """One turn: its text, audio, transcriptions, calls and counts; `on_audio` is called when its first audio comes."""
    turn: dict[str, Any] = {"text": "", "bytes": 0, "heard": "", "said": "", "calls": [], "usage": None}
    turn |= {"interrupted": False, "ends": 0}
    digest = hashlib.sha256()
    async for message in session.receive():
        content = message.server_content
        for part in parts_of(content):
            turn["text"] += part.text or ""
            if part.inline_data:
                if on_audio and turn["bytes"] == 0:
                    await on_audio()
                turn["bytes"] += len(part.inline_data.data)
                digest.update(part.inline_data.data)
        if content and content.input_transcription:
            turn["heard"] += content.input_transcription.text
        if content and content.output_transcription:
            turn["said"] += content.output_transcription.text
        turn["interrupted"] |= bool(content and content.interrupted)
        turn["ends"] += bool(content and content.turn_complete)
        if message.tool_call:
            turn["calls"] += [{"id": call.id, "name": call.name} for call in message.tool_call.function_calls]
        usage = message.usage_metadata
        if usage:
            turn["usage"] = [usage.prompt_token_count, usage.response_token_count, usage.total_token_count]
    return turn | {"sha256": digest.hexdigest()}


def parts_of(content):
    return content.model_turn.parts if content and content.model_turn else []


async def failure_of(messages):
    """Code and reason by which a session ends."""
    try:
        async for _ in messages:
            pass
    except errors.APIError as error:
        return [error.code, str(error.details)]
    return None


def client_of(base_url, is_vertex):
    options = types.HttpOptions(base_url=base_url)
    if not is_vertex:
        return genai.Client(api_key="AIza-a-test-key", http_options=options)
    from google.oauth2.credentials import Credentials

    token = Credentials(token="ya29.a-test-token")
    return genai.Client(vertexai=True, project="p", location="us-central1", credentials=token, http_options=options)


async def told(talks, name):
    async with asyncio.timeout(LIMIT_S):
        result = await getattr(talks, name)()
    print(json.dumps({"talk": name, "result": result}), flush=True)


async def main():
    plan = json.loads(sys.stdin.read())
    is_vertex = plan["service"] == "vertex"
    talks = Talks(client_of(plan["base_url"], is_vertex), client_of(plan["hurried_url"], is_vertex), is_vertex)
    await asyncio.gather(*(told(talks, name) for name in plan["talks"]))


asyncio.run(main())
