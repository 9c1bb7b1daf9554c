"""LiteLLM's SDK: gemini/ and vertex_ai/ models, and a Claude on Vertex AI."""

from pathlib import Path
from typing import Any

import litellm  # pyright: ignore[reportMissingImports]
import speaking
from speaking import OPENAI_TOOL, PROMPT, QUESTION, Plan

CLAUDE = "claude-sonnet-4@20250514"


def options(plan: Plan, provider: str) -> dict[str, Any]:
    """What points LiteLLM at the server."""
    if provider == "gemini":
        return {"api_key": speaking.KEY, "api_base": f"{plan['http']}/v1beta"}
    return {
        "vertex_project": plan["project"],
        "vertex_location": plan["location"],
        "vertex_credentials": Path(plan["key_file"]).read_text("utf-8"),
        "api_base": plan["http"],
    }


def generate(plan: Plan, provider: str, model: str) -> dict[str, Any]:
    """One completion."""
    messages = [{"role": "user", "content": PROMPT}]
    answer = litellm.completion(model=f"{provider}/{model}", messages=messages, **options(plan, provider))
    usage = answer.usage
    text = answer.choices[0].message.content
    return speaking.spoken(text, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def stream(plan: Plan, provider: str, model: str) -> dict[str, Any]:
    """A streamed completion."""
    messages = [{"role": "user", "content": PROMPT}]
    chunks = litellm.completion(model=f"{provider}/{model}", messages=messages, stream=True, **options(plan, provider))
    return {"texts": [chunk.choices[0].delta.content for chunk in chunks]}


def tools(plan: Plan, provider: str, model: str) -> dict[str, Any]:
    """A tool call, its result, and the text that follows."""
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    given = {"model": f"{provider}/{model}", "tools": [OPENAI_TOOL], **options(plan, provider)}
    asked = litellm.completion(messages=messages, tool_choice="required", **given)
    [call] = asked.choices[0].message.tool_calls
    messages.append(asked.choices[0].message.model_dump())
    messages.append({"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": "sunny"})
    told = litellm.completion(messages=messages, **given)
    return speaking.called(call.function.name, call.function.arguments, told.choices[0].message.content)


def embeddings(plan: Plan, provider: str, model: str) -> dict[str, Any]:
    """Two embeddings."""
    answer = litellm.embedding(model=f"{provider}/{model}", input=["a", "b"], **options(plan, provider))
    return {"vectors": [each["embedding"] for each in answer.data]}


if __name__ == "__main__":
    speaking.play(
        (f"{name} {step.__name__}", lambda plan, s=step, p=provider, m=model: s(plan, p, m))
        for name, provider, model, steps in (
            ("gemini", "gemini", speaking.MODEL, (generate, stream, tools)),
            ("gemini", "gemini", "gemini-embedding-001", (embeddings,)),
            ("vertex", "vertex_ai", speaking.MODEL, (generate, stream, tools)),
            ("vertex", "vertex_ai", "text-embedding-005", (embeddings,)),
            ("claude", "vertex_ai", CLAUDE, (generate, stream, tools)),
        )
        for step in steps
    )
