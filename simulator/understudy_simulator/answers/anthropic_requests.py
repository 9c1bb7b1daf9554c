"""Anthropic's Messages requests: what is refused of them, and the same as a generateContent request. Pure.

Members and rules: Anthropic's Messages reference and Google's page on Claude models; the words of the refusals are
those of public reports where there are some, else written in their manner (assumed).
"""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from .foreign_parts import call_part, inline_part, joined, media_part, response_part, without_nothing
from .reading import Members, count_in, member, members_in, number_in, strings_in, text_in

MESSAGE_MEMBERS: Final[Mapping[str, tuple[type, ...]]] = {
    "anthropic_version": (str,),
    "anthropic_beta": (list,),
    "messages": (list,),
    "max_tokens": (int,),
    "system": (str, list),
    "stop_sequences": (list,),
    "stream": (bool,),
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": (int,),
    "tools": (list,),
    "tool_choice": (dict,),
    "thinking": (dict,),
    "metadata": (dict,),
    "service_tier": (str,),
    "output_config": (dict,),
    "output_format": (dict,),
    "context_management": (dict,),
    "cache_control": (dict,),
    "container": (str, dict),
    "mcp_servers": (list,),
    "inference_geo": (str,),
    "speed": (str,),
}
"""The members of a request and their types."""

_TYPE_TEXTS: Final[Mapping[type, str]] = {
    str: "string",
    list: "list",
    int: "integer",
    bool: "boolean",
    float: "number",
    dict: "dictionary",
}
_BLOCKS: Final = frozenset(
    {
        *("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"),
        *("server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result"),
        *("mcp_tool_use", "mcp_tool_result", "container_upload", "compaction"),
    }
)
_SMALLEST_BUDGET: Final = 1024
_CHOICES: Final = {"auto": "AUTO", "any": "ANY", "tool": "ANY", "none": "NONE"}


def request_mistake(body: Members, most_tokens: int, model: str, *, counts_only: bool = False) -> str | None:
    """What is wrong with a request to a model of at most `most_tokens` of output, or None.

    `counts_only`: it is a request to count tokens, which names its model and has no limit.
    """
    extra = ("model",) if counts_only else ()
    for name in body:
        if name not in MESSAGE_MEMBERS and name not in extra:
            return f"{name[:200]}: Extra inputs are not permitted"
    for name in ("messages",) if counts_only else ("anthropic_version", "max_tokens", "messages"):
        if body.get(name) is None:
            return f"{name}: Field required"
    for name, value in body.items():
        wrong = None if value is None or name not in MESSAGE_MEMBERS else _wrong_kind(name, value)
        if wrong is not None:
            return wrong
    return _number_mistake(body, most_tokens, model) or _messages_mistake(body) or _tools_mistake(body)


def generate_request(body: Members) -> dict[str, Any]:
    """The generateContent request that a Messages request stands for; stop sequences are left to the caller."""
    request: dict[str, Any] = {"contents": contents_of(body), "generationConfig": _config(body)}
    system = [part for block in blocks_of(member(body, "system")) for part in block_parts(block, {})]
    if system:
        request["systemInstruction"] = {"parts": system}
    declarations = [_declaration(tool) for tool in members_in(body, "tools") if "input_schema" in tool]
    if declarations:
        request["tools"] = [{"functionDeclarations": declarations}]
    choice = member(body, "tool_choice")
    if declarations and choice is not None:
        name = text_in(choice, "name")
        calling: dict[str, Any] = {"mode": _CHOICES.get(text_in(choice, "type") or "", "AUTO")}
        request["toolConfig"] = {
            "functionCallingConfig": calling | without_nothing({"allowedFunctionNames": [name] if name else None})
        }
    return request


def contents_of(body: Members) -> list[dict[str, Any]]:
    """The turns of user and model."""
    names = _call_names(body)
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in members_in(body, "messages"):
        parts = [part for block in blocks_of(member(message, "content")) for part in block_parts(block, names)]
        turns.append(("model" if text_in(message, "role") == "assistant" else "user", parts))
    return joined(turns)


def blocks_of(content: Any) -> tuple[Members, ...]:
    """A content as blocks: a text is one block of text."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    if not isinstance(content, list):
        return ()
    return tuple(cast("Members", block) for block in cast("list[Any]", content) if isinstance(block, dict))


def block_parts(block: Members, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parts that a block stands for; `names` are the names of the tools called, by the ids of the calls."""
    match text_in(block, "type"):
        case "text":
            return [{"text": text_in(block, "text") or ""}]
        case "image" | "document":
            return _source_parts(member(block, "source"))
        case "tool_use":
            return [call_part(text_in(block, "name") or "", member(block, "input"), text_in(block, "id") or "")]
        case "tool_result":
            call_id = text_in(block, "tool_use_id") or ""
            return [response_part(names.get(call_id) or "unknown", plain(member(block, "content")), call_id)]
        case "search_result":
            return [{"text": plain(member(block, "content"))}]
        case _:
            return []


def plain(content: Any) -> str:
    """The texts of a content."""
    return "".join(text_in(block, "text") or "" for block in blocks_of(content))


def _source_parts(source: Any) -> list[dict[str, Any]]:
    match text_in(source, "type"):
        case "base64":
            return [inline_part(text_in(source, "media_type") or "image/png", text_in(source, "data") or "")]
        case "text":
            return [{"text": text_in(source, "data") or ""}]
        case "url":
            return [media_part(text_in(source, "url") or "")]
        case "content":
            return [{"text": plain(member(source, "content"))}]
        case _:
            return []


def _config(body: Members) -> dict[str, Any]:
    wanted = member(member(body, "output_config"), "format") or member(body, "output_format")
    config = without_nothing(
        {
            "temperature": number_in(body, "temperature"),
            "topP": number_in(body, "top_p"),
            "topK": count_in(body, "top_k"),
            "maxOutputTokens": count_in(body, "max_tokens"),
            "thinkingConfig": _thinking(body),
        }
    )
    if text_in(wanted, "type") == "json_schema":
        config |= {"responseMimeType": "application/json", "responseJsonSchema": member(wanted, "schema")}
    return config


def _thinking(body: Members) -> dict[str, Any]:
    thinking = member(body, "thinking")
    match text_in(thinking, "type"):
        case "enabled":
            return {"includeThoughts": True, "thinkingBudget": count_in(thinking, "budget_tokens") or _SMALLEST_BUDGET}
        case "adaptive":
            return {"includeThoughts": True}
        case _:
            return {"thinkingBudget": 0}


def _declaration(tool: Members) -> dict[str, Any]:
    described = {"description": text_in(tool, "description"), "parametersJsonSchema": member(tool, "input_schema")}
    return {"name": text_in(tool, "name") or ""} | without_nothing(described)


def _call_names(body: Members) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in members_in(body, "messages"):
        for block in blocks_of(member(message, "content")):
            if text_in(block, "type") == "tool_use":
                found[text_in(block, "id") or ""] = text_in(block, "name") or ""
    return found


# ---- what is refused


def _wrong_kind(name: str, value: Any) -> str | None:
    kinds = MESSAGE_MEMBERS[name]
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return None
    return f"{name}: Input should be a valid {_TYPE_TEXTS[kinds[-1]]}"


def _number_mistake(body: Members, most_tokens: int, model: str) -> str | None:
    most = body.get("max_tokens")
    if most is not None and most < 1:
        return "max_tokens: must be greater than or equal to 1"
    if most is not None and most > most_tokens:
        return f"max_tokens: {most} > {most_tokens}, which is the maximum allowed number of output tokens for {model}"
    for name, low, high in (("temperature", 0, 1), ("top_p", 0, 1)):
        value = body.get(name)
        if value is not None and not low <= value <= high:
            return f"{name}: range: {low}..{high}"
    return _thinking_mistake(body)


def _thinking_mistake(body: Members) -> str | None:
    thinking = body.get("thinking")
    if thinking is None or text_in(thinking, "type") in ("disabled", "adaptive"):
        return None
    if text_in(thinking, "type") != "enabled":
        return "thinking: Input tag should be one of 'adaptive', 'disabled', 'enabled'"
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < _SMALLEST_BUDGET:
        return f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_SMALLEST_BUDGET}"
    if body.get("max_tokens") is not None and body["max_tokens"] <= budget:
        return (
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
        )
    if body.get("temperature") not in (None, 1):
        return (
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        )
    return None


def _messages_mistake(body: Members) -> str | None:
    messages = cast("list[Any]", body["messages"])
    if not messages:
        return "messages: at least one message is required"
    waiting: frozenset[str] = frozenset()
    for number, message in enumerate(messages):
        role = text_in(message, "role")
        if role == "system":
            return (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
        if role not in ("user", "assistant"):
            return f"messages.{number}.role: Input should be 'user' or 'assistant'"
        if not isinstance(message.get("content"), str | list):
            return f"messages.{number}.content: Field required"
        mistake = _blocks_mistake(message, number, waiting)
        if mistake is not None:
            return mistake
        waiting = _ids(message, "tool_use", "id")
    return None


def _blocks_mistake(message: Any, number: int, waiting: frozenset[str]) -> str | None:
    blocks = blocks_of(message["content"])
    if not any(text_in(block, "text") or text_in(block, "type") != "text" for block in blocks):
        return f"messages.{number}: {message['role']} messages must have non-empty content"
    for place, block in enumerate(blocks):
        kind = text_in(block, "type")
        if kind not in _BLOCKS:
            return f"messages.{number}.content.{place}: Input tag {json.dumps(kind)} found using 'type' does not match"
        if kind == "text" and not text_in(block, "text"):
            return "messages: text content blocks must be non-empty"
    answered = _ids(message, "tool_result", "tool_use_id")
    if answered - waiting:
        return (
            f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
            f"{', '.join(sorted(answered - waiting))}. Each `tool_result` block must have a corresponding `tool_use` "
            "block in the previous message."
        )
    if waiting - answered:
        return (
            f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(sorted(waiting - answered))}. Each `tool_use` block must have a corresponding `tool_result` "
            "block in the next message."
        )
    return None


def _ids(message: Any, kind: str, name: str) -> frozenset[str]:
    blocks = blocks_of(message["content"])
    return frozenset(text_in(block, name) or "" for block in blocks if text_in(block, "type") == kind)


def _tools_mistake(body: Members) -> str | None:
    names = [text_in(tool, "name") or "" for tool in members_in(body, "tools")]
    for number, tool in enumerate(members_in(body, "tools")):
        is_own = text_in(tool, "type") in (None, "custom")
        if is_own and not names[number]:
            return f"tools.{number}.custom.name: Field required"
        if is_own and not isinstance(tool.get("input_schema"), dict):
            return f"tools.{number}.custom.input_schema: Field required"
    if len(set(names)) < len(names):
        return "tools: Tool names must be unique."
    choice = member(body, "tool_choice")
    if choice is None:
        return None
    if text_in(choice, "type") not in _CHOICES:
        return "tool_choice: Input tag should be one of 'auto', 'any', 'tool', 'none'"
    if not names:
        return "tool_choice: tool_choice may only be specified while providing tools."
    name = text_in(choice, "name")
    if text_in(choice, "type") == "tool" and name not in names:
        return f"tool_choice: Tool '{name}' not found in provided tools"
    return None


def stops_of(body: Members) -> tuple[str, ...]:
    """The stop sequences that are not empty."""
    return tuple(stop for stop in strings_in(body, "stop_sequences") if stop)
