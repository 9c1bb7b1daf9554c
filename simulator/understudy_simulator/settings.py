"""What a simulator is started with; nothing is read from the environment or from files after this."""

from dataclasses import dataclass, field
from typing import Final, Literal

from understudy.errors import ConfigError
from understudy.scenario.latency import Profile
from understudy.scenario.scalars import duration_s
from understudy.secret import Secret

from .live.settings import LiveSettings
from .quotas import QuotaRule

_MOST_DIGITS: Final = 6

AuthMode = Literal["any", "issued"]


@dataclass(frozen=True, slots=True)
class VideoRun:
    """How long a video is being made: until both the polls and the seconds of scenario time are over."""

    polls: int = 1
    seconds: float = 0.0

    @classmethod
    def read(cls, text: str) -> "VideoRun":
        """So many polls, or a time, as people write them on a command line: `3`, `90s`. Raises ConfigError."""
        if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
            return cls(polls=int(text))
        try:
            return cls(polls=0, seconds=duration_s(text))
        except ValueError as error:
            raise ConfigError(f"--video-runs {text}: wanted a number of polls, or a time: {error}") from None


USUAL_RUN: Final = VideoRun()


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Where a simulator listens and how it behaves; port 0 picks a free one, `tls_port` None opens none.

    `strict` refuses what no armed scenario answers, `any_body` lets bodies pass that Google would refuse. `speed` 1
    plays pauses as written, 2 in half the time, 0 without any. `seed` is the source of all ids and of every choice.
    `auth` "any" takes every bearer token but JWTs of strangers, "issued" only those of the simulator's own endpoints
    and self-signed JWTs. `api_keys` empty: any key. What contains "invalid" or "expired" is refused as that;
    `expired_keys` are refused as expired. `denied_projects` may not be used by anybody, in `disabled_projects` the API
    is not enabled. `quotas` are counted per key or project; `retry_after` adds that field to their refusals.
    `redirects_downloads` answers downloads by a redirect first, `cache_minimum` refuses caches that are too small for
    Google. `file_host` is the address in the URIs of finished videos (wire-http 6.4). A video that no scenario starts
    runs as `video_run` says. The transcript forgets its oldest entries beyond `transcript_limit` entries or
    `transcript_bytes` bytes. Bodies beyond `body_limit` bytes get 413. `live` is how Live sessions behave,
    `latency` how long answers take.
    """

    host: str = "127.0.0.1"
    port: int = 8900
    tls_port: int | None = None
    admin_port: int = 8901
    strict: bool = False
    any_body: bool = False
    speed: float = 1.0
    seed: int = 0
    auth: AuthMode = "any"
    api_keys: tuple[Secret, ...] = ()
    expired_keys: tuple[Secret, ...] = ()
    denied_projects: tuple[str, ...] = ()
    disabled_projects: tuple[str, ...] = ()
    quotas: tuple[QuotaRule, ...] = ()
    retry_after: bool = False
    control_key: Secret | None = None
    redirects_downloads: bool = False
    cache_minimum: bool = False
    video_run: VideoRun = USUAL_RUN
    file_host: str = "https://generativelanguage.googleapis.com"
    transcript_limit: int = 10_000
    transcript_bytes: int = 512 * 1024 * 1024
    body_limit: int = 256 * 1024 * 1024
    live: LiveSettings = field(default_factory=LiveSettings)
    latency: Profile | None = None
