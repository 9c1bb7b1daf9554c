"""Partners' models on Vertex AI but Claude: rawPredict and streamRawPredict of Mistral's, AI21's (wire-http 1.2).

Requests and answers are the partner's own, which follow OpenAI's chat; errors of the model's side are in Mistral's
shape. Which members a partner refuses is not simulated: unknown ones are passed over. Llama is under
`endpoints/openapi`, see `openai_chat`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..answers.anthropic_shapes import laid_out
from ..answers.openai_requests import CHAT_MEMBERS, generate_request, message_mistake, readable, wrong_types_in
from ..answers.openai_shapes import candidates_of, finish_of
from ..answers.reading import flag_in, member, text_in
from ..answers.said import Candidate, Reply, pieces_of
from ..answers.tokens import compact_json, tokens_of_text
from ..call import Answer, Call, Events
from ..foreign import partner_model, reply_to
from ..google_errors import GoogleError
from ..replies import JSON_TYPE, Manner, Outgoing, service_headers
from ..routing import Route

_READ: Final = frozenset(
    {
        *("messages", "temperature", "top_p", "max_tokens", "n", "stop", "presence_penalty"),
        *("frequency_penalty", "tools", "tool_choice", "response_format"),
    }
)
"""What of a request bears on the answer."""
_KINDS: Final = {name: kind for name, kind in CHAT_MEMBERS.items() if name in _READ}
_UNREADABLE: Final = "The request body is not a valid JSON object."


def check(call: Call) -> Outgoing | None:
    """What a partner's model refuses of a request; that there is no such model is told when it is answered."""
    model = partner_model(call, call.names["publisher"], call.names["model"])
    if isinstance(model, GoogleError):
        return None
    if not isinstance(call.body.value, dict):
        return _refused(call, _UNREADABLE)
    if "ocr" in model.id:
        return _refused(call, "document: Field required") if member(call.members, "document") is None else None
    wrong = wrong_types_in(call.members, _KINDS)
    if wrong:
        return _refused(call, f"{wrong[0][0]}: Input should be a valid {wrong[0][1].removeprefix('TYPE_').lower()}")
    mistake = message_mistake(_asked(call.members))
    return None if mistake is None else _refused(call, mistake.strip())


def predict(call: Call) -> Answer:
    """An answer of a partner's model, whole or (by `stream` in the body) as events."""
    model = partner_model(call, call.names["publisher"], call.names["model"])
    if isinstance(model, GoogleError):
        return model
    if not isinstance(call.body.value, dict):
        return _refused(call, _UNREADABLE)
    body = call.members
    if "ocr" in model.id:
        return _read(call)
    asked = readable(_asked(body), CHAT_MEMBERS)
    reply = reply_to(generate_request(asked, has_levels=False), model, call)
    if flag_in(body, "stream"):
        return Events(tuple(_events(reply, call, model.id)))
    return _plain(call, _head(call, model.id, "chat.completion") | _whole(reply, call))


def _asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request as a chat; a prompt to be filled in the middle (Codestral) is one message."""
    asked = {name: value for name, value in body.items() if name in _READ}
    prompt = text_in(body, "prompt")
    if "messages" not in asked and prompt:
        text = "\n".join(part for part in (prompt, text_in(body, "suffix")) if part)
        asked["messages"] = [{"role": "user", "content": text}]
    return asked


def _whole(reply: Reply, call: Call) -> dict[str, Any]:
    choices = [
        {"index": index, "message": _message(candidate, call), "finish_reason": finish_of(candidate)}
        for index, candidate in enumerate(candidates_of(reply))
    ]
    return {"choices": choices, "usage": _usage(reply)}


def _events(reply: Reply, call: Call, model: str) -> Iterator[bytes]:
    head = _head(call, model, "chat.completion.chunk")
    for index, candidate in enumerate(candidates_of(reply)):
        deltas: list[dict[str, Any]] = [{"content": piece} for piece in pieces_of(candidate.text)]
        if candidate.calls:
            deltas.append({"content": "", "tool_calls": _calls(candidate, call)})
        deltas = deltas or [{"content": ""}]
        deltas[0] = {"role": "assistant"} | deltas[0]
        for number, delta in enumerate(deltas, 1):
            is_last = number == len(deltas)
            choice = {"index": index, "delta": delta, "finish_reason": finish_of(candidate) if is_last else None}
            usage = {"usage": _usage(reply)} if is_last else {}
            yield b"data: " + laid_out(head | {"choices": [choice]} | usage) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _head(call: Call, model: str, kind: str) -> dict[str, Any]:
    created = int(call.now.timestamp())
    return {"id": call.identity.hex("completion", 32), "object": kind, "created": created, "model": model}


def _message(candidate: Candidate, call: Call) -> dict[str, Any]:
    calls = _calls(candidate, call) if candidate.calls else None
    return {"role": "assistant", "content": candidate.text, "tool_calls": calls}


def _calls(candidate: Candidate, call: Call) -> list[dict[str, Any]]:
    return [
        {
            "id": call.identity.lower(f"tool call {number}", 9),
            "type": "function",
            "function": {"name": made.name, "arguments": compact_json(dict(made.arguments))},
            "index": number,
        }
        for number, made in enumerate(candidate.calls)
    ]


def _usage(reply: Reply) -> dict[str, int]:
    spent = reply.spent
    completion = spent.total - spent.prompt
    return {"prompt_tokens": spent.prompt, "total_tokens": spent.total, "completion_tokens": completion}


def _read(call: Call) -> Answer:
    """Mistral's OCR: one page of text for the document."""
    document = member(call.members, "document")
    url = text_in(document, "document_url") or text_in(document, "image_url") or ""
    text = f"# Page 1\n\nThis page of {tokens_of_text(url)} tokens was read by the simulator, not by a model."
    page: dict[str, Any] = {
        "index": 0,
        "markdown": text,
        "images": [],
        "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
    }
    usage = {"pages_processed": 1, "doc_size_bytes": len(url)}
    return _plain(call, {"pages": [page], "model": call.names["model"], "usage_info": usage})


def _plain(call: Call, value: Mapping[str, Any], status: int = 200) -> Outgoing:
    manner = Manner(is_vertex=True, duration_ms=call.identity.duration_ms)
    return Outgoing(status, service_headers(manner, JSON_TYPE), (laid_out(value),))


def _refused(call: Call, message: str) -> Outgoing:
    kind = "invalid_request_error"
    return _plain(call, {"object": "error", "message": message, "type": kind, "param": None, "code": None}, 400)


ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "publishers/{publisher}/models/{model}:rawPredict", predict, "vertex", "generating", check=check),
    Route(
        "POST", "publishers/{publisher}/models/{model}:streamRawPredict", predict, "vertex", "generating", check=check
    ),
)
