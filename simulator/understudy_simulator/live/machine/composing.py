"""What the model says in a free Live conversation: words or calls by `answers`, put into beats. Pure.

Beside the words: thoughts, runs of code, what searches and pages tell (wire-live 3.1, 4).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
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
from ...answers.reading import Members, count_in, member
from ...answers.thinking import thinking_of, thought_about
from ...answers.turns import Said, said_to
from ..settings import LiveSettings
from ..setup import Admitted, kinds_of
from .speaking import Beside
from .transcribing import output_scribe
from .turns import Beat, audio_beats, code_beats, text_beats, thought_beats

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

    def voiced(self, text: str, then: Iterable[Beat] = ()) -> Iterator[Beat]:
        """The text in the modality of the session, what comes `then`, and the end of the turn."""
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
