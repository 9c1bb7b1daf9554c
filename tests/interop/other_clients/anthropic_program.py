"""Anthropic's client for Claude on Vertex AI."""

from typing import Any

import speaking
from anthropic import AnthropicVertex  # pyright: ignore[reportMissingImports]
from speaking import PARAMETERS, PROMPT, QUESTION, Plan

MODEL = "claude-sonnet-4@20250514"
TOOL: Any = {"name": "get_weather", "description": "The weather in a city", "input_schema": PARAMETERS}
USER: Any = [{"role": "user", "content": PROMPT}]


def client_of(plan: Plan) -> AnthropicVertex:
    """A client with a token of its own."""
    return AnthropicVertex(
        region="us-east5",
        project_id=plan["project"],
        access_token=speaking.TOKEN,
        base_url=f"{plan['http']}/v1",
    )


def generate(plan: Plan) -> dict[str, Any]:
    """One message; Anthropic gives no total."""
    answer = client_of(plan).messages.create(model=MODEL, max_tokens=256, messages=USER)
    usage = answer.usage
    total = usage.input_tokens + usage.output_tokens
    return speaking.spoken(answer.content[0].text, usage.input_tokens, usage.output_tokens, total)


def stream(plan: Plan) -> dict[str, Any]:
    """A streamed message."""
    with client_of(plan).messages.stream(model=MODEL, max_tokens=256, messages=USER) as events:
        texts = list(events.text_stream)
        final = events.get_final_message().content[0].text
    return {"texts": texts, "final": final}


def tools(plan: Plan) -> dict[str, Any]:
    """A tool use, its result, and the text that follows."""
    client = client_of(plan)
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    given: Any = {"model": MODEL, "max_tokens": 256, "tools": [TOOL]}
    asked = client.messages.create(messages=messages, tool_choice={"type": "any"}, **given)
    [use] = [block for block in asked.content if block.type == "tool_use"]
    messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    messages.append({"role": "user", "content": [result]})
    told = client.messages.create(messages=messages, **given)
    return speaking.called(use.name, use.input, told.content[0].text)


def count(plan: Plan) -> dict[str, Any]:
    """The tokens of a request."""
    return {"tokens": client_of(plan).messages.count_tokens(model=MODEL, messages=USER).input_tokens}


if __name__ == "__main__":
    speaking.play(
        (("claude generate", generate), ("claude stream", stream), ("claude tools", tools), ("claude count", count))
    )
