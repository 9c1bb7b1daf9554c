"""OpenAI's chat requests: what Google's endpoints admit of them, and the same as a generateContent request. Pure.

Which members there are, and what becomes of them: Google's pages on OpenAI compatibility of both services; that an
unknown member at the top is refused: wire-http 10. Members that a model of ours has no use for are accepted only.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from .foreign_parts import call_part, inline_part, joined, json_or_none, media_part, response_part, without_nothing
from .reading import Members, flag_in, member, members_in, number_in, strings_in, text_in, whole_in

NUMBER: Final = "TYPE_FLOAT"
WHOLE: Final = "TYPE_INT32"
TEXT: Final = "TYPE_STRING"
FLAG: Final = "TYPE_BOOL"
LIST: Final = "list"
OBJECT: Final = "object"
ANY: Final = "any"

CHAT_MEMBERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("model", "reasoning_effort", "user", "service_tier", "verbosity"), TEXT),
    **dict.fromkeys(("prompt_cache_key", "safety_identifier"), TEXT),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "temperature", "top_p"), NUMBER),
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "n", "seed", "top_logprobs"), WHOLE),
    **dict.fromkeys(("stream", "logprobs", "parallel_tool_calls", "store"), FLAG),
    **dict.fromkeys(("messages", "tools", "functions", "modalities"), LIST),
    **dict.fromkeys(("stream_options", "response_format", "extra_body", "audio", "logit_bias"), OBJECT),
    **dict.fromkeys(("metadata", "web_search_options", "prediction"), OBJECT),
    **dict.fromkeys(("stop", "tool_choice", "function_call"), ANY),
}
"""The members of a chat request and their types in Google's words."""

THINKING_BUDGETS: Final[Mapping[str, int]] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""What `reasoning_effort` means for models that have a thinking budget."""

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_AUDIO_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mp3"}
_MODES: Final = {"none": "NONE", "auto": "AUTO", "required": "ANY", "any": "ANY", "validated": "VALIDATED"}


def strangers_in(body: Members, known: Mapping[str, str]) -> list[tuple[str, str]]:
    """Members at the top that the request does not have: pairs of an empty path and the name."""
    return [("", name[:200]) for name in body if name not in known]


def wrong_types_in(body: Members, known: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Members of a wrong type: path, type, value as JSON. null counts as not set."""
    wrong: list[tuple[str, str, str]] = []
    for name, value in body.items():
        kind = known.get(name, ANY)
        if value is not None and not _fits(value, kind):
            shown = json.dumps(value, ensure_ascii=False)[:200]
            wrong.append((name, kind if kind.startswith("TYPE_") else "Map" if kind == OBJECT else "List", shown))
    return wrong


def readable(body: Members, known: Mapping[str, str]) -> dict[str, Any]:
    """The members at the top that the request has, as far as they have the right type."""
    return {name: value for name, value in body.items() if name in known and _fits(value, known[name])}


def _fits(value: Any, kind: str) -> bool:
    match kind:
        case "TYPE_STRING":
            return isinstance(value, str)
        case "TYPE_BOOL":
            return isinstance(value, bool)
        case "TYPE_FLOAT":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "TYPE_INT32":
            return isinstance(value, int) and not isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return True


def message_mistake(body: Members) -> str | None:
    """What is wrong with the messages, or None."""
    messages = member(body, "messages")
    if not messages:
        return "* GenerateContentRequest.contents: contents is not specified\n"
    for number, message in enumerate(cast("list[Any]", messages)):
        role = text_in(message, "role")
        if role not in _ROLES:
            return (
                f"Invalid role {json.dumps(role)} at 'messages[{number}].role'. Please use one of: {', '.join(_ROLES)}."
            )
        content = member(message, "content")
        if content is not None and not isinstance(content, str | list):
            return f"Invalid value at 'messages[{number}].content': expected a string or a list of parts."
        if role == "tool" and not text_in(message, "tool_call_id"):
            return f"Invalid value at 'messages[{number}].tool_call_id': a tool message needs the id of its call."
    if not contents_of(body):
        return "* GenerateContentRequest.contents: contents is not specified\n"
    return None


def generate_request(body: Members, *, has_levels: bool) -> dict[str, Any]:
    """The generateContent request that a chat request stands for. `has_levels`: the model has thinking levels."""
    google = member(member(body, "extra_body"), "google")
    request: dict[str, Any] = {"contents": contents_of(body), "generationConfig": _config(body, google, has_levels)}
    system = _system(body)
    if system:
        request["systemInstruction"] = {"parts": system}
    tools = tools_of(body)
    if member(body, "web_search_options") is not None:
        tools.append({"googleSearch": {}})
    if tools:
        request["tools"] = tools
    calling = _calling(body)
    if calling is not None:
        request["toolConfig"] = {"functionCallingConfig": calling}
    cached, safety = text_in(google, "cached_content"), member(google, "safety_settings")
    return request | without_nothing({"cachedContent": cached, "safetySettings": safety})


def thinks_twice(body: Members) -> bool:
    """Whether thinking is asked for in two ways, which Google refuses."""
    google = member(member(body, "extra_body"), "google")
    return member(google, "thinking_config") is not None and member(body, "reasoning_effort") is not None


def contents_of(body: Members) -> list[dict[str, Any]]:
    """The turns of user, model and functions."""
    names = _call_names(body)
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in members_in(body, "messages"):
        match text_in(message, "role"):
            case "user":
                turns.append(("user", _parts(member(message, "content"))))
            case "assistant":
                turns.append(("model", _parts(member(message, "content")) + _calls(message)))
            case "tool":
                call_id = text_in(message, "tool_call_id") or ""
                name = names.get(call_id) or text_in(message, "name") or "unknown"
                turns.append(("user", [response_part(name, _plain(member(message, "content")), call_id)]))
            case "function":
                name = text_in(message, "name") or "unknown"
                turns.append(("user", [response_part(name, _plain(member(message, "content")), "")]))
            case _:
                pass
    return joined(turns)


def tools_of(body: Members) -> list[dict[str, Any]]:
    """The declared functions as one tool, in the newer spelling and in the deprecated one."""
    declared = [function for tool in members_in(body, "tools") if (function := member(tool, "function")) is not None]
    declarations = [_declaration(function) for function in (*declared, *members_in(body, "functions"))]
    return [{"functionDeclarations": declarations}] if declarations else []


def _declaration(function: Any) -> dict[str, Any]:
    return without_nothing(
        {
            "name": text_in(function, "name") or "",
            "description": text_in(function, "description"),
            "parametersJsonSchema": member(function, "parameters"),
        }
    )


def _calling(body: Members) -> dict[str, Any] | None:
    choice = member(body, "tool_choice")
    if choice is None:
        choice = member(body, "function_call")
    if isinstance(choice, str):
        return {"mode": _MODES.get(choice, "AUTO")}
    name = text_in(member(choice, "function"), "name") or text_in(choice, "name")
    return {"mode": "ANY", "allowedFunctionNames": [name]} if name else None


def _config(body: Members, google: Any, has_levels: bool) -> dict[str, Any]:
    stop = member(body, "stop")
    config = without_nothing(
        {
            "temperature": number_in(body, "temperature"),
            "topP": number_in(body, "top_p"),
            "maxOutputTokens": _first(whole_in(body, "max_completion_tokens"), whole_in(body, "max_tokens")),
            "candidateCount": whole_in(body, "n"),
            "stopSequences": [stop] if isinstance(stop, str) else list(strings_in(body, "stop")) or None,
            "presencePenalty": number_in(body, "presence_penalty"),
            "frequencyPenalty": number_in(body, "frequency_penalty"),
            "seed": whole_in(body, "seed"),
            "responseLogprobs": flag_in(body, "logprobs") or None,
            "logprobs": whole_in(body, "top_logprobs"),
            "responseModalities": [kind.upper() for kind in strings_in(body, "modalities")] or None,
            "thinkingConfig": _thinking(body, google, has_levels),
        }
    )
    return config | _format(member(body, "response_format"))


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _thinking(body: Members, google: Any, has_levels: bool) -> Any:
    effort = text_in(body, "reasoning_effort")
    if effort is None:
        return member(google, "thinking_config")
    if has_levels:
        return {"thinkingLevel": "MINIMAL" if effort == "none" else effort.upper()}
    return {"thinkingBudget": THINKING_BUDGETS.get(effort, THINKING_BUDGETS["medium"])}


def _format(wanted: Any) -> dict[str, Any]:
    match text_in(wanted, "type"):
        case "json_object":
            return {"responseMimeType": "application/json"}
        case "json_schema":
            schema = member(member(wanted, "json_schema"), "schema")
            return {"responseMimeType": "application/json"} | without_nothing({"responseJsonSchema": schema})
        case _:
            return {}


def _system(body: Members) -> list[dict[str, Any]]:
    messages = members_in(body, "messages")
    spoken = [m for m in messages if text_in(m, "role") in ("system", "developer")]
    return [part for message in spoken for part in _parts(member(message, "content"))]


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    if not isinstance(content, list):
        return []
    parts = [_part(entry) for entry in cast("list[Any]", content)]
    return [part for part in parts if part is not None]


def _part(entry: Any) -> dict[str, Any] | None:
    if isinstance(entry, str):
        return {"text": entry}
    match text_in(entry, "type"):
        case "text" | "input_text" | "output_text":
            return {"text": text_in(entry, "text") or ""}
        case "refusal":
            return {"text": text_in(entry, "refusal") or ""}
        case "image_url" | "input_image":
            image = member(entry, "image_url")
            return media_part(image if isinstance(image, str) else text_in(image, "url") or "")
        case "input_audio":
            audio = member(entry, "input_audio")
            mime_type = _AUDIO_TYPES.get(text_in(audio, "format") or "", "audio/wav")
            return inline_part(mime_type, text_in(audio, "data") or "")
        case "file" | "input_file":
            file = member(entry, "file") or entry
            return media_part(text_in(file, "file_data") or text_in(file, "file_id") or "")
        case _:
            return None


def _calls(message: Members) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for call in members_in(message, "tool_calls"):
        function = member(call, "function")
        signature = text_in(member(member(call, "extra_content"), "google"), "thought_signature") or ""
        arguments = json_or_none(text_in(function, "arguments") or "")
        parts.append(call_part(text_in(function, "name") or "", arguments, text_in(call, "id") or "", signature))
    old = member(message, "function_call")
    if old is not None:
        parts.append(call_part(text_in(old, "name") or "", json_or_none(text_in(old, "arguments") or ""), ""))
    return parts


def _call_names(body: Members) -> dict[str, str]:
    """The names of the functions called, by the ids of the calls."""
    calls = [call for message in members_in(body, "messages") for call in members_in(message, "tool_calls")]
    return {text_in(call, "id") or "": text_in(member(call, "function"), "name") or "" for call in calls}


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in _parts(content) if "text" in part)
