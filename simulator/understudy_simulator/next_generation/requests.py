"""An interaction's request as a generateContent request: steps become contents, settings change names. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from ..answers.foreign_parts import call_part, joined
from ..answers.reading import members_in, text_in

Step = Mapping[str, Any]
Members = Mapping[str, Any]

CONTENT_TYPES: Final = frozenset({"text", "image", "audio", "video", "document"})
_SETTINGS: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "max_output_tokens": "maxOutputTokens",
    "stop_sequences": "stopSequences",
}
_TOOLS: Final = {
    "google_search": "googleSearch",
    "code_execution": "codeExecution",
    "url_context": "urlContext",
    "google_maps": "googleMaps",
}


def input_steps(given: Any) -> tuple[Step, ...]:
    """The input of a request (text, content, contents or steps) as steps; empty if there is none."""
    if isinstance(given, str):
        return _said([{"type": "text", "text": given}]) if given else ()
    if isinstance(given, Mapping):
        return _said([cast("Members", given)])
    if not isinstance(given, list) or not given:
        return ()
    entries = cast("list[Step]", given)
    return tuple(entries) if entries[0].get("type") not in CONTENT_TYPES else _said(entries)


def generate_request(body: Members, steps: Sequence[Step]) -> dict[str, Any]:
    """The generateContent request that asks for the same; `steps` are all up to now, the input last."""
    request: dict[str, Any] = {"contents": contents_of(steps)}
    instruction = text_in(body, "system_instruction")
    if instruction:
        request["systemInstruction"] = {"parts": [{"text": instruction}]}
    config = _generation_config(body)
    if config:
        request["generationConfig"] = config
    tools = _tools(members_in(body, "tools"))
    if tools:
        request["tools"] = tools
    settings: Any = body.get("generation_config") or {}
    choice = _tool_choice(settings.get("tool_choice"))
    if choice:
        request["toolConfig"] = {"functionCallingConfig": choice}
    return request


def contents_of(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as contents; those that only tell what happened on the way (thoughts, searches) are left out."""
    names: dict[str, str] = {}
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for step in steps:
        match step.get("type"):
            case "user_input":
                turns.append(("user", _parts(members_in(step, "content"))))
            case "model_output":
                turns.append(("model", _parts(members_in(step, "content"))))
            case "function_call":
                last = text_in(step, "id") or ""
                names[last] = text_in(step, "name") or ""
                turns.append(("model", [call_part(names[last], step.get("arguments"), last)]))
            case "function_result":
                last = text_in(step, "call_id") or ""
                name = names.get(last) or text_in(step, "name") or ""
                response = {"name": name, "id": last, "response": _result(step.get("result"))}
                turns.append(("user", [{"functionResponse": response}]))
            case _:
                continue
    return joined(turns)


def unanswered_calls(steps: Iterable[Step]) -> frozenset[str]:
    """The ids of the function calls among the steps that have no result yet."""
    calls: set[str] = set()
    for step in steps:
        if step.get("type") == "function_call":
            calls.add(text_in(step, "id") or "")
        elif step.get("type") == "function_result":
            calls.discard(text_in(step, "call_id") or "")
    return frozenset(calls)


def _said(contents: Sequence[Members]) -> tuple[Step, ...]:
    return ({"type": "user_input", "content": list(contents)},)


def _parts(contents: Iterable[Members]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for content in contents:
        text, data, uri = text_in(content, "text"), text_in(content, "data"), text_in(content, "uri")
        mime_type = text_in(content, "mime_type") or "application/octet-stream"
        if text is not None:
            parts.append({"text": text})
        elif data is not None:
            parts.append({"inlineData": {"mimeType": mime_type, "data": data}})
        elif uri is not None:
            parts.append({"fileData": {"mimeType": mime_type, "fileUri": uri}})
    return parts


def _result(result: Any) -> dict[str, Any]:
    if isinstance(result, dict):
        return cast("dict[str, Any]", result)
    if isinstance(result, list):
        entries = cast("list[Members]", result)
        return {"result": " ".join(str(entry["text"]) for entry in entries if "text" in entry)}
    return {"result": result}


def _generation_config(body: Members) -> dict[str, Any]:
    given: Any = body.get("generation_config") or {}
    config = {ours: given[theirs] for theirs, ours in _SETTINGS.items() if given.get(theirs) is not None}
    thinking: dict[str, Any] = {}
    level = text_in(given, "thinking_level")
    if level is not None:
        thinking["thinkingLevel"] = "HIGH" if level == "xhigh" else level.upper()
    if text_in(given, "thinking_summaries") == "auto":
        thinking["includeThoughts"] = True
    if thinking:
        config["thinkingConfig"] = thinking
    return config | _response_config(body)


def _response_config(body: Members) -> dict[str, Any]:
    """What kind of answer is asked for: modalities, a MIME type, a schema, the shape of an image."""
    config: dict[str, Any] = {}
    modalities = [name.upper() for name in cast("list[str]", body.get("response_modalities") or [])]
    for entry in members_in(body, "response_format"):
        match entry.get("type"):
            case "text":
                config |= _text_config(text_in(entry, "mime_type"), entry.get("schema"))
            case "image":
                modalities.append("IMAGE")
                sizes = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
                image = {ours: entry[theirs] for theirs, ours in sizes.items() if theirs in entry}
                config |= {"imageConfig": image} if image else {}
            case "audio":
                modalities.append("AUDIO")
            case "video":
                modalities.append("VIDEO")
            case _:
                config |= _text_config("application/json", entry)
    mime_type = text_in(body, "response_mime_type")
    if mime_type is not None:
        config["responseMimeType"] = mime_type
    shown = [name for name in dict.fromkeys(modalities) if name in ("TEXT", "IMAGE", "AUDIO")]
    return config | ({"responseModalities": shown} if shown else {})


def _text_config(mime_type: str | None, schema: Any) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if schema is not None:
        config["responseJsonSchema"] = schema
        mime_type = mime_type or "application/json"
    return config | ({"responseMimeType": mime_type} if mime_type else {})


def _tools(tools: Iterable[Members]) -> list[dict[str, Any]]:
    functions: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for tool in tools:
        kind = text_in(tool, "type") or ""
        if kind == "function":
            function = {name: tool[name] for name in ("name", "description") if name in tool}
            schema = tool.get("parameters")
            functions.append(function | ({"parametersJsonSchema": schema} if schema is not None else {}))
        elif kind in _TOOLS:
            others.append({_TOOLS[kind]: {}})
    return ([{"functionDeclarations": functions}] if functions else []) + others


def _tool_choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"mode": choice.upper()}
    allowed: Any = cast("Members", choice).get("allowed_tools") if isinstance(choice, Mapping) else None
    if not isinstance(allowed, Mapping):
        return {}
    members = cast("Members", allowed)
    config = {"mode": (text_in(members, "mode") or "any").upper()}
    return config | ({"allowedFunctionNames": members["tools"]} if members.get("tools") else {})
