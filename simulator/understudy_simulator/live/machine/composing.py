"""What the model says in a free Live conversation: words or calls by `answers`, put into beats. Pure.

Beside the words: thoughts, runs of code, what searches and pages tell (wire-live 3.1, 4).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from understudy.scenario.json_subset import last_text

from ...answers.code_runs import code_parts, runs_code
from ...answers.grounding import (
    TOKENS_OF_PAGE,
    TOKENS_OF_SEARCH,
    grounding_metadata,
    grounds,
    url_context_metadata,
    urls_in,
)
from ...answers.markers import block_reason
from ...answers.reading import Members, count_in, member
from ...answers.thinking import thinking_of, thought_about
from ...answers.turns import Said, said_to
from ..messages import waiting_for_input
from ..settings import LiveSettings
from ..setup import Admitted, kinds_of
from .speaking import Beside
from .transcribing import output_scribe
from .turns import TURN_END, Beat, audio_beats, bundled, code_beats, text_beats, thought_beats, trailing_beats

SILENCE_MARKER: Final = "[[understudy:silence]]"
"""Text that a model which may keep silent does not answer."""

WAITING_MARKER: Final = "[[understudy:wait]]"
"""Text to which the model says that it waits for more."""

_REASONS: Final[Mapping[str, str]] = {
    "BLOCKLIST": "BLOCKLIST",
    "PROHIBITED_CONTENT": "PROHIBITED_INPUT_CONTENT",
    "OTHER": "RESPONSE_REJECTED",
}
"""What `turnCompleteReason` says where `[[understudy:block=...]]` asks for it; other blocks are INPUT_OTHER."""

_CALL_WORD: Final = re.compile(r"\bcall\b", re.IGNORECASE)


class Composer:
    """Composes the answers of one session."""

    __slots__ = ("_admitted", "_config", "_scribe", "_settings")

    def __init__(self, admitted: Admitted, settings: LiveSettings) -> None:
        self._admitted = admitted
        self._settings = settings
        self._config: Any = member(admitted.setup.members, "generationConfig")
        self._scribe = output_scribe(admitted, settings)

    def said_to(self, turns: Sequence[Members], tools: Any) -> tuple[Said, str]:
        """What is said to these turns, and the text that it answers."""
        most = count_in(self._config, "maxOutputTokens")
        body: dict[str, Any] = {"contents": turns, "tools": tools}
        if most is not None:
            body["generationConfig"] = {"maxOutputTokens": most}
        prompt = last_text(body) or ""
        said = said_to(body)
        if said.call is None and _CALL_WORD.search(prompt):
            said = said_to(body | {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})
        if self._admitted.family.is_transcriber and said.call is None:
            said = Said(prompt)
        return said, prompt

    def answer(self, said: Said, prompt: str, tools: Any) -> tuple[Iterator[Beat], Beside]:
        """The turn that says it, which answers `prompt`."""
        family, is_vertex = self._admitted.family, self._admitted.is_vertex
        kinds = kinds_of(tools)
        thinking = thinking_of(self._config, family.thinks)
        beats = self.voiced(said.text)
        if "codeExecution" in kinds and runs_code(prompt):
            beats = chain(code_beats(code_parts(prompt)), beats)
        if thinking.is_told:
            beats = chain(thought_beats(thought_about(prompt)), beats)
        extras: dict[str, Any] = {"interactionStatus": "IDLE"} if family.tells_status else {}
        tool_use = 0
        if grounds(kinds):
            tool_use = TOKENS_OF_SEARCH
            extras["groundingMetadata"] = grounding_metadata(kinds, prompt, said.text, is_vertex)
        urls = urls_in(prompt) if "urlContext" in kinds else ()
        if urls:
            tool_use += TOKENS_OF_PAGE * len(urls)
            extras["urlContextMetadata"] = url_context_metadata(urls)
        return beats, Beside(thinking.tokens, tool_use, extras, not family.is_transcriber)

    def trailing(self) -> Iterator[Beat]:
        """What follows a call before its turn ends, where the settings want that and the model speaks."""
        if self._settings.trails_calls and self._admitted.speaks:
            yield from trailing_beats(self._admitted.setup.voice_number, self._scribe)

    def unanswered(self, prompt: str) -> tuple[Iterator[Beat], Beside] | None:
        """The turn of a prompt that is not answered, and says why; None if it is answered."""
        if self._admitted.may_keep_silent and SILENCE_MARKER in prompt:
            return iter((TURN_END,)), Beside()
        if WAITING_MARKER in prompt:
            told = Beat(waiting_for_input())
            return iter((told, TURN_END)), Beside(extras={"turnCompleteReason": "NEED_MORE_INPUT"})
        reason = block_reason(prompt)
        if reason is None:
            return None
        return iter((TURN_END,)), Beside(extras={"turnCompleteReason": _REASONS.get(reason, "INPUT_OTHER")})

    def voiced(self, text: str, then: Iterable[Beat] = ()) -> Iterator[Beat]:
        """The text in the modality of the session, what comes `then`, and the end of the turn."""
        beats = self._in_modality(text, then)
        # Not around calls: they are open from when they are asked for, which must be when they are sent.
        return bundled(beats) if self._settings.bundles_speech and then == () else beats

    def _in_modality(self, text: str, then: Iterable[Beat]) -> Iterator[Beat]:
        if not self._admitted.speaks:
            return text_beats(text, self._settings, then)
        return audio_beats(
            text,
            self._settings,
            is_vertex=self._admitted.is_vertex,
            scribe=self._scribe,
            voice=self._admitted.setup.voice_number,
            then=then,
        )
