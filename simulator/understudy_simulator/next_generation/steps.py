"""A generateContent answer as what an interaction came to: its steps, status and usage. Pure.

Step and usage shapes: the types of google-genai 3.4; statuses: wire-http 9 and sdk-surface (what answers carry).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..answers.reading import Members, count_in, member, members_in, text_in
from ..ids import Identity

_FAILED: Final = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER"})
_MODALITIES: Final = ("text", "image", "audio", "video", "document")
_SIGNATURE: Final = 88


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an interaction came to: its status, steps, usage, and (code and message) what went wrong."""

    status: str
    steps: tuple[dict[str, Any], ...]
    usage: dict[str, Any]
    errors: tuple[dict[str, Any], ...] = ()


def outcome_of(answer: Mapping[str, Any], identity: Identity) -> Outcome:
    """The outcome that a unary generateContent answer stands for."""
    usage = usage_of(member(answer, "usageMetadata"))
    blocked = text_in(member(answer, "promptFeedback"), "blockReason")
    if blocked is not None:
        return Outcome("failed", (), usage, (_error("content_blocked", f"The prompt was blocked: {blocked}."),))
    candidates = members_in(answer, "candidates")
    candidate: Mapping[str, Any] = candidates[0] if candidates else {}
    maker = _Maker(identity)
    if usage.get("total_thought_tokens"):
        maker.think()
    maker.search(member(candidate, "groundingMetadata"))
    for part in members_in(member(candidate, "content"), "parts"):
        maker.add(part)
    maker.cite(member(candidate, "groundingMetadata"))
    status, errors = _status(text_in(candidate, "finishReason") or "STOP", maker.steps)
    return Outcome(status, tuple(maker.steps), usage, errors)


def usage_of(metadata: Any) -> dict[str, Any]:
    """`usageMetadata` of generateContent as the usage of an interaction."""
    names = {
        "total_tokens": "totalTokenCount",
        "total_input_tokens": "promptTokenCount",
        "total_cached_tokens": "cachedContentTokenCount",
        "total_output_tokens": "candidatesTokenCount",
        "total_tool_use_tokens": "toolUsePromptTokenCount",
        "total_thought_tokens": "thoughtsTokenCount",
    }
    usage: dict[str, Any] = {ours: count_in(metadata, theirs) or 0 for ours, theirs in names.items()}
    details = {
        "input_tokens_by_modality": "promptTokensDetails",
        "cached_tokens_by_modality": "cacheTokensDetails",
        "output_tokens_by_modality": "candidatesTokensDetails",
        "tool_use_tokens_by_modality": "toolUsePromptTokensDetails",
    }
    for ours, theirs in details.items():
        entries = [
            {"modality": (text_in(entry, "modality") or "text").lower(), "tokens": count_in(entry, "tokenCount") or 0}
            for entry in members_in(metadata, theirs)
        ]
        known = [entry for entry in entries if entry["modality"] in _MODALITIES]
        if known:
            usage[ours] = known
    if usage["total_output_tokens"] and "output_tokens_by_modality" not in usage:
        # generateContent of the Gemini API leaves out what is text alone; interactions do not.
        usage["output_tokens_by_modality"] = [{"modality": "text", "tokens": usage["total_output_tokens"]}]
    return usage


class _Maker:
    """Puts steps one after another; neighbouring output becomes one step."""

    def __init__(self, identity: Identity) -> None:
        self.steps: list[dict[str, Any]] = []
        self._identity = identity

    def think(self) -> None:
        signature = self._identity.urlsafe("thought signature", _SIGNATURE)
        self.steps.append({"type": "thought", "signature": signature})

    def search(self, grounding: Any) -> None:
        queries: Any = member(grounding, "webSearchQueries")
        if not queries:
            return
        last = self._id("search")
        self._did("google_search_call", id=last, arguments={"queries": queries})
        entry = text_in(member(grounding, "searchEntryPoint"), "renderedContent") or ""
        self._did("google_search_result", call_id=last, result=[{"search_suggestions": entry}])

    def cite(self, grounding: Any) -> None:
        """Mark in the text what comes from where."""
        chunks = members_in(grounding, "groundingChunks")
        if not chunks:
            return
        annotations: list[dict[str, Any]] = []
        for support in members_in(grounding, "groundingSupports"):
            segment = member(support, "segment")
            indices: list[int] = member(support, "groundingChunkIndices") or []
            for index in indices:
                source: Members = chunks[index].get("web") or {}
                annotations.append(
                    {
                        "type": "url_citation",
                        "url": source.get("uri", ""),
                        "title": source.get("title", ""),
                        "start_index": member(segment, "startIndex") or 0,
                        "end_index": member(segment, "endIndex") or 0,
                    }
                )
        texts = [item for step in self.steps for item in step.get("content", ()) if item["type"] == "text"]
        if texts and annotations:
            texts[0]["annotations"] = annotations

    def add(self, part: Mapping[str, Any]) -> None:
        text: Any = part.get("text")
        blob: Any = part.get("inlineData")
        if isinstance(text, str):
            self._text(text, part)
        elif blob is not None:
            self._output({"type": _kind(text_in(blob, "mimeType") or ""), **_media(blob)})
        elif "functionCall" in part:
            self._call(part["functionCall"], part)
        elif "executableCode" in part:
            code = {"code": text_in(part["executableCode"], "code") or "", "language": "python"}
            self._did("code_execution_call", id=self._id("code"), arguments=code)
        elif "codeExecutionResult" in part:
            result = part["codeExecutionResult"]
            is_error = text_in(result, "outcome") != "OUTCOME_OK"
            calls = [step["id"] for step in self.steps if step["type"] == "code_execution_call"]
            output = text_in(result, "output") or ""
            self._did("code_execution_result", call_id=calls[-1] if calls else "", result=output, is_error=is_error)

    def _text(self, text: str, part: Mapping[str, Any]) -> None:
        if part.get("thought") is not True:
            self._output({"type": "text", "text": text})
            return
        if not self.steps or self.steps[-1]["type"] != "thought":
            self.think()
        self.steps[-1].setdefault("summary", []).append({"type": "text", "text": text})

    def _call(self, call: Any, part: Mapping[str, Any]) -> None:
        number = sum(step["type"] == "function_call" for step in self.steps)
        last = text_in(call, "id") or self._identity.lower(f"function call {number}", 8)
        step: dict[str, Any] = {
            "id": last,
            "name": text_in(call, "name") or "",
            "arguments": member(call, "args") or {},
        }
        signature = text_in(part, "thoughtSignature")
        self._did("function_call", **step, **({"signature": signature} if signature else {}))

    def _output(self, content: dict[str, Any]) -> None:
        if not self.steps or self.steps[-1]["type"] != "model_output":
            self._did("model_output", content=[])
        contents = self.steps[-1]["content"]
        if contents and content["type"] == contents[-1]["type"] == "text":
            contents[-1]["text"] += content["text"]
        else:
            contents.append(content)

    def _did(self, kind: str, **members: Any) -> None:
        self.steps.append({"type": kind, **members})

    def _id(self, purpose: str) -> str:
        return self._identity.lower(f"{purpose} {len(self.steps)}", 8)


def _status(reason: str, steps: list[dict[str, Any]]) -> tuple[str, tuple[dict[str, Any], ...]]:
    if any(step["type"] == "function_call" for step in steps):
        return "requires_action", ()
    if reason == "STOP":
        return "completed", ()
    if reason == "MAX_TOKENS":
        return "incomplete", ()
    code = "api_error" if reason in _FAILED else "content_blocked"
    return "failed", (_error(code, f"The model stopped: {reason}."),)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _kind(mime_type: str) -> str:
    kind = mime_type.partition("/")[0]
    return kind if kind in _MODALITIES else "document"


def _media(blob: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": text_in(blob, "data") or "", "mime_type": text_in(blob, "mimeType") or ""}
