"""How Live sessions behave where services differ among themselves or from day to day (wire-live 5.7). Pure."""

from dataclasses import dataclass
from typing import Literal

Traffic = Literal["usual", "on-demand", "flex", "priority", "provisioned"]


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Limits in seconds of the service's time, and how sessions are put on the wire.

    A connection ends after `connection_s`, a session without context-window compression after `audio_session_s`, or
    `video_session_s` once a picture came; `warning_s` before the end `goAway` tells of it. Handles stay good for
    `handle_s` after the end of their session; who streams hears of them every `handle_every_s` (0: never). At the age
    of `abort_s` (0: never) a connection is aborted without a warning; one on which nothing happens for `idle_s` of real
    time ends. `context_window`: how many tokens a model remembers, 0 for its own number.

    `audio_pace`: seconds of audio sent in one second, 0 for all at once. `chunk_bytes` 0: chunks as the service makes
    them. `waits_for_playback`: the end of a turn waits until its audio would have been played. `frames`: which
    WebSocket frames carry messages; `deflate` accepts compression. `bundles` puts the end of a turn on the frame of
    `generationComplete`, `bundles_speech` both on that of the last that is said.

    `usage_apart` sends usage in a frame of its own, `usage_on_calls` that of a call beside the call;
    `omits_single_count` leaves `tokenCount` out where only one modality is listed, as Vertex does at times;
    `caches_context` counts as cached what the turn before held; `traffic`: what usage says of how a turn was served.
    `trails_calls`: something follows a call before its turn ends. `finishes_transcriptions` says when one is whole,
    `late_transcriptions` sends them late, `drafts` sends some while the user still speaks.
    """

    connection_s: float = 590.0
    warning_s: float = 50.0
    audio_session_s: float = 900.0
    video_session_s: float = 120.0
    handle_s: float = 7200.0
    handle_every_s: float = 2.0
    abort_s: float = 0.0
    idle_s: float = 3600.0
    audio_pace: float = 4.0
    chunk_bytes: int = 0
    waits_for_playback: bool = True
    frames: Literal["binary", "text"] = "binary"
    deflate: bool = False
    bundles: bool = False
    bundles_speech: bool = False
    usage_apart: bool = False
    usage_on_calls: bool = False
    trails_calls: bool = False
    omits_single_count: bool = False
    caches_context: bool = False
    traffic: Traffic = "usual"
    context_window: int = 0
    finishes_transcriptions: bool = False
    late_transcriptions: bool = False
    drafts: bool = False
