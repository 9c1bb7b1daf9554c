"""pipecat's Gemini Live services, in a pipeline whose ends are this program."""

# pyright: reportMissingImports=false

import asyncio
from typing import Any

from google.genai.types import HttpOptions
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.google.gemini_live.vertex.llm import GeminiLiveVertexLLMService
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.runner import WorkerRunner
from talking import HELLO, KEY, QUESTION, RATE_HZ, WEATHER, Plan, Talk, frames, hold, spoken_second

CALLS: list[dict[str, Any]] = []


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """The weather in a city.

    Args:
        city: The city.
    """
    CALLS.append({"name": "get_weather", "args": {"city": city}})
    await params.result_callback(WEATHER)


class Ear(FrameProcessor):
    """Notes what the service says and hears; puts what was said in a turn into `turns`."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard = ""
        self.said = ""
        self.bytes = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSTextFrame():
                self.said += frame.text
            case TTSAudioRawFrame():
                self.bytes += len(frame.audio)
            case TranscriptionFrame():
                self.heard += frame.text
            case LLMFullResponseEndFrame():
                self.turns.put_nowait({"said": self.said, "bytes": self.bytes})
                self.said, self.bytes = "", 0
            case _:
                pass
        await self.push_frame(frame, direction)


def gemini(plan: Plan, model: str) -> GeminiLiveLLMService:
    settings = GeminiLiveLLMService.Settings(model=model)
    return GeminiLiveLLMService(
        api_key=KEY, settings=settings, tools=[get_weather], http_options=HttpOptions(base_url=plan["base_url"])
    )


def vertex(plan: Plan, model: str) -> GeminiLiveVertexLLMService:
    return GeminiLiveVertexLLMService(
        credentials_path=plan["key_file"],
        project_id=plan["project"],
        location=plan["location"],
        settings=GeminiLiveVertexLLMService.Settings(model=model),
        tools=[get_weather],
        http_options=HttpOptions(base_url=plan["base_url"]),
    )


async def conversation(service: GeminiLiveLLMService) -> dict[str, Any]:
    """Three turns: typed, spoken, and one for which the service calls its tool."""
    CALLS.clear()
    context = LLMContext([{"role": "user", "content": HELLO}])
    aggregators = LLMContextAggregatorPair(context)
    ear, mouth = Ear(), Ear()
    worker = PipelineWorker(Pipeline([aggregators.user(), mouth, service, ear, aggregators.assistant()]))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        await worker.queue_frames([LLMRunFrame()])
        typed = await ear.turns.get()
        for piece in frames(spoken_second()):
            await worker.queue_frames([InputAudioRawFrame(audio=piece, sample_rate=RATE_HZ, num_channels=1)])
        spoken = await ear.turns.get()
        await worker.queue_frames([InputTextRawFrame(text=QUESTION)])
        answer = await ear.turns.get()
        while "sunny" not in answer["said"]:
            answer = await ear.turns.get()
        await worker.queue_frames([EndFrame()])
        await running
    finally:
        running.cancel()
    return {"typed": typed, "spoken": spoken | {"heard": mouth.heard}, "calls": CALLS.copy(), "answer": answer}


TALKS: dict[str, Talk] = {
    "gemini 2.5": lambda plan: conversation(gemini(plan, "gemini-2.5-flash-native-audio-preview-12-2025")),
    "gemini 3.1": lambda plan: conversation(gemini(plan, "gemini-3.1-flash-live-preview")),
    "gemini 3.8": lambda plan: conversation(gemini(plan, "gemini-3.8-live")),
    "vertex": lambda plan: conversation(vertex(plan, "gemini-live-2.5-flash-native-audio")),
    "vertex 3.8": lambda plan: conversation(vertex(plan, "google/gemini-3.8-live")),
}

if __name__ == "__main__":
    hold(TALKS)
