"""The OpenAI client against both services' OpenAI-compatible endpoints."""

from typing import Any

import openai  # pyright: ignore[reportMissingImports]
import speaking
from speaking import OPENAI_TOOL, PROMPT, QUESTION, Plan


def client_of(plan: Plan, *, is_vertex: bool) -> openai.OpenAI:
    """A client whose base URL is the compatible endpoint."""
    if not is_vertex:
        return openai.OpenAI(api_key=speaking.KEY, base_url=f"{plan['http']}/v1beta/openai/")
    place = f"projects/{plan['project']}/locations/{plan['location']}"
    return openai.OpenAI(api_key=speaking.TOKEN, base_url=f"{plan['http']}/v1/{place}/endpoints/openapi")


def model(name: str, *, is_vertex: bool) -> str:
    """Vertex AI wants the publisher before the model."""
    return f"google/{name}" if is_vertex else name


def generate(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """One chat completion."""
    answer = client_of(plan, is_vertex=is_vertex).chat.completions.create(
        model=model(speaking.MODEL, is_vertex=is_vertex), messages=[{"role": "user", "content": PROMPT}]
    )
    usage = answer.usage
    text = answer.choices[0].message.content
    return speaking.spoken(text, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)


def stream(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """A streamed chat completion."""
    chunks = client_of(plan, is_vertex=is_vertex).chat.completions.create(
        model=model(speaking.MODEL, is_vertex=is_vertex),
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
    )
    return {"texts": [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]}


def tools(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """A tool call, its result, and the text that follows."""
    client, name = client_of(plan, is_vertex=is_vertex), model(speaking.MODEL, is_vertex=is_vertex)
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    asked = client.chat.completions.create(model=name, messages=messages, tools=[OPENAI_TOOL], tool_choice="required")
    [call] = asked.choices[0].message.tool_calls
    messages.append(asked.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
    told = client.chat.completions.create(model=name, messages=messages, tools=[OPENAI_TOOL])
    return speaking.called(call.function.name, call.function.arguments, told.choices[0].message.content)


def embeddings(plan: Plan) -> dict[str, Any]:
    """Two embeddings; Vertex AI's endpoint has none for Google's models."""
    answer = client_of(plan, is_vertex=False).embeddings.create(model="gemini-embedding-001", input=["a", "b"])
    return {"vectors": [each.embedding for each in answer.data]}


def models(plan: Plan) -> dict[str, Any]:
    """The list of models, and one of it."""
    client = client_of(plan, is_vertex=False)
    listed = [each.id for each in client.models.list()]
    return {"models": listed, "one": client.models.retrieve(speaking.MODEL).id}


if __name__ == "__main__":
    speaking.play(
        (
            ("gemini generate", lambda plan: generate(plan, is_vertex=False)),
            ("gemini stream", lambda plan: stream(plan, is_vertex=False)),
            ("gemini tools", lambda plan: tools(plan, is_vertex=False)),
            ("gemini embeddings", embeddings),
            ("gemini models", models),
            ("vertex generate", lambda plan: generate(plan, is_vertex=True)),
            ("vertex stream", lambda plan: stream(plan, is_vertex=True)),
            ("vertex tools", lambda plan: tools(plan, is_vertex=True)),
        )
    )
