"""What a configuration's features need while it runs, and who then serves its requests."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime

from .attended import AttendedPassthrough
from .attended_live import AttendedLive
from .credentials import Credentials
from .destinations import Destinations
from .guardrails.judging import Guards
from .http import HttpPassthrough
from .live import LiveSessions
from .sessions import LivePassthrough
from .settings import GatewayConfig
from .tracing import SpanFile
from .upstream.transport import HttpUpstream


class Attendance:
    """The guardrails of a configuration, and its file of spans. Without features there is neither."""

    def __init__(self, config: GatewayConfig, before: "Attendance | None" = None) -> None:
        """`before` is that of the configuration until now, whose file is kept if it is the same.

        Raises ConfigError if a hook cannot be imported or the file cannot be written.
        """
        features = config.features
        by_key = {key.id: key.guardrails for key in config.keys}
        self._config = config
        by_route = {endpoint.path.decode("ascii"): endpoint.guardrails for endpoint in config.endpoints}
        self._guards = Guards(features.guardrails, by_key, by_route)
        kept = before.spans if before is not None else None
        is_kept = kept is not None and kept.path == features.trace_file
        self.spans = kept if is_kept else SpanFile(features.trace_file) if features.trace_file else None

    def http(
        self, upstream: HttpUpstream, credentials: Mapping[str, Credentials], now: Callable[[], datetime]
    ) -> HttpPassthrough:
        """Who serves the routes that are not Live: the plain one, unless something is switched on."""
        if not self._config.features.is_any:
            return HttpPassthrough(self._config, upstream, credentials, now)
        return AttendedPassthrough(self._config, upstream, credentials, now, self._guards, self.spans)

    def live(
        self,
        credentials: Mapping[str, Credentials],
        tls: ssl.SSLContext,
        monotonic: Callable[[], float],
        sessions: LiveSessions,
        destinations: Destinations,
    ) -> LivePassthrough:
        """Who serves the Live routes."""
        if not self._config.features.is_any:
            return LivePassthrough(self._config, credentials, tls, monotonic, sessions, destinations)
        plain = (self._config, credentials, tls, monotonic, sessions, destinations)
        return AttendedLive(*plain, self._guards, self.spans)

    async def close(self) -> None:
        """Write the spans that wait."""
        if self.spans is not None:
            await asyncio.to_thread(self.spans.close)
