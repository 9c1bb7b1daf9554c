"""What the demo plays: which client in which form, step by step, the scenario behind it and what must come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Service = Literal["gemini", "vertex", "express"]

CLIENT: Final = "google-genai"
VIDEO_CLIENT: Final = "2.34.0"
"""The newest release whose Gemini mode still generates videos (wire-http 6.1)."""

PROJECT: Final = "understudy-demo"
LOCATION: Final = "us-central1"

GENERATE_MODEL: Final = "gemini-2.5-flash"
LIVE_MODEL: Final = "gemini-live-2.5-flash"
GEMINI_VIDEO_MODEL: Final = "veo-3.0-generate-001"
VERTEX_VIDEO_MODEL: Final = "veo-3.1-generate-001"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a session.

    `scenario` None: nothing may reach the simulator. `values` must be contained in what the client got; `error` in
    the error that it raised.
    """

    name: str
    model: str
    scenario: str | None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: Mapping[str, Any] | None = None
    wrong_key: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """The steps that one client process plays in one form. `version` None is the newest release."""

    service: Service
    version: str | None
    steps: tuple[Step, ...]

    def scope(self, step: Step) -> str:
        """The simulator scope of a step: where its scenario is armed and its traffic is found again."""
        return f"{self.service}-{self.version or 'newest'}.{step.name}"


ANSWER: Final = "Good morning. What a fine day for a rehearsal."
WEATHER: Final = {"name": "get_weather", "args": {"city": "Paris"}}
SUNNY: Final = "It is sunny in Paris."
AUDIO: Final = {"bytes": 48_000, "mime_types": ["audio/pcm;rate=24000"]}
VIDEO: Final = {"bytes": 52_872, "sha256": "537a1c7a31dc8aa873e82e45df968c2fa9b85436b8fcf2f7dc89447969dec7f6"}
"""A film of eight seconds with sound, 1280 x 720, the first of its operation."""
QUOTA: Final = {"type": "ClientError", "code": 429, "status": "RESOURCE_EXHAUSTED", "retry_delay": "25s"}
REFUSED: Final = {"type": "ClientError", "code": 401, "status": "UNAUTHENTICATED"}


def usage(prompt: int, candidates: int) -> dict[str, int | None]:
    """The counts that the client shows for an HTTP answer."""
    return _counts(prompt, candidates, None)


def live_usage(prompt: int, response: int) -> dict[str, int | None]:
    """The counts that the client shows for a Live turn, of either service."""
    return _counts(prompt, None, response)


def _counts(prompt: int, candidates: int | None, response: int | None) -> dict[str, int | None]:
    return {
        "prompt_token_count": prompt,
        "candidates_token_count": candidates,
        "response_token_count": response,
        "total_token_count": prompt + (candidates or 0) + (response or 0),
    }


def common_steps(service: Service) -> tuple[Step, ...]:
    """The steps that every version of the client can play on a service."""
    api, live = ("gemini", "live/gemini-") if service == "gemini" else ("vertex", "live/")
    quota = "gemini/quota-exceeded" if service == "gemini" else "vertex/quota-with-retry-info"
    streamed = {"texts": ["Good ", "morning, ", "understudy."], "usage": usage(8, 6)}
    return (
        Step("generate", GENERATE_MODEL, f"{api}/generate", {"text": ANSWER, "usage": usage(8, 20)}),
        Step("stream", GENERATE_MODEL, f"{api}/stream", streamed),
        Step("count", GENERATE_MODEL, f"{api}/count-tokens", {"total_tokens": 8}),
        Step("tools", GENERATE_MODEL, f"{api}/tool-round-trip", {**WEATHER, "text": SUNNY}),
        Step("quota", GENERATE_MODEL, quota, error=QUOTA),
        Step("live-text", LIVE_MODEL, f"{live}text-turn", {"texts": ["Good ", "morning."], "usage": live_usage(12, 5)}),
        Step("live-audio", LIVE_MODEL, f"{live}audio-turn", {**AUDIO, "usage": live_usage(12, 25)}),
        Step("live-tool", LIVE_MODEL, f"{live}tool-call", {**WEATHER, "texts": [SUNNY]}),
    )


def video_step(service: Service) -> Step:
    """A VEO operation, polled to its end."""
    model, prefix = (GEMINI_VIDEO_MODEL, "gemini-") if service == "gemini" else (VERTEX_VIDEO_MODEL, "")
    return Step("video", model, f"veo/{prefix}text-to-video", {"polls": 3, "done": True, "videos": [VIDEO]})


REFUSED_STEP: Final = Step("refused", GENERATE_MODEL, None, error=REFUSED, wrong_key=True)

SESSIONS: Final = (
    Session("gemini", None, (*common_steps("gemini"), REFUSED_STEP)),
    Session("vertex", None, (*common_steps("vertex"), video_step("vertex"), REFUSED_STEP)),
    Session("express", None, common_steps("express")[:1]),
    Session("gemini", VIDEO_CLIENT, (video_step("gemini"),)),
)
