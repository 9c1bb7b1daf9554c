"""langchain-google-genai: chat model and embeddings, for both services."""

from typing import Any

import speaking
from google.oauth2.credentials import Credentials
from langchain_core.messages import HumanMessage, ToolMessage  # pyright: ignore[reportMissingImports]
from langchain_google_genai import (  # pyright: ignore[reportMissingImports]
    ChatGoogleGenerativeAI,
    GoogleGenerativeAIEmbeddings,
)
from speaking import PROMPT, QUESTION, WEATHER, Plan


def options(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """What points either class at the server."""
    if not is_vertex:
        return {"google_api_key": speaking.KEY, "base_url": plan["http"]}
    token = Credentials(token=speaking.TOKEN)
    place = {"project": plan["project"], "location": plan["location"]}
    return {"vertexai": True, **place, "credentials": token, "base_url": plan["http"]}


def chat(plan: Plan, *, is_vertex: bool) -> ChatGoogleGenerativeAI:
    """The chat model."""
    return ChatGoogleGenerativeAI(model=speaking.MODEL, **options(plan, is_vertex=is_vertex))


def generate(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """One answer."""
    answer = chat(plan, is_vertex=is_vertex).invoke(PROMPT)
    usage = answer.usage_metadata
    return speaking.spoken(answer.text, usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


def stream(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """A streamed answer."""
    return {"texts": [chunk.text for chunk in chat(plan, is_vertex=is_vertex).stream(PROMPT)]}


def tools(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """A tool call, its result, and the text that follows."""
    model = chat(plan, is_vertex=is_vertex)
    question = HumanMessage(QUESTION)
    asked = model.bind_tools([WEATHER], tool_choice="any").invoke([question])
    [call] = asked.tool_calls
    result = ToolMessage("sunny", tool_call_id=call["id"], name=call["name"])
    told = model.bind_tools([WEATHER]).invoke([question, asked, result])
    return speaking.called(call["name"], call["args"], told.text)


def embeddings(plan: Plan, *, is_vertex: bool) -> dict[str, Any]:
    """Two documents and a query."""
    embedder = GoogleGenerativeAIEmbeddings(
        model="models/gemini-embedding-001" if not is_vertex else "gemini-embedding-001",
        **options(plan, is_vertex=is_vertex),
    )
    return {"vectors": [*embedder.embed_documents(["a", "b"]), embedder.embed_query("c")]}


if __name__ == "__main__":
    speaking.play(
        (f"{service} {step.__name__}", lambda plan, s=step, v=service == "vertex": s(plan, is_vertex=v))
        for service in ("gemini", "vertex")
        for step in (generate, stream, tools, embeddings)
    )
