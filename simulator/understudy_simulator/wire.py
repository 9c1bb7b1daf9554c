"""The traffic ports' server: aiohttp's, with words of our own for requests that are no HTTP.

A gateway that passes malformed requests on gets this refusal, so that a judge can tell it from the gateway's own.
"""

from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .encoding import pretty_json
from .google_errors import own_error

MALFORMED: Final = "MALFORMED_REQUEST"
"""The reason of the refusal, in its body and in `X-Understudy-Error`."""

_TEXT: Final = "understudy: the request is not HTTP/1.1 that can be read in one way only."


class _Handler(RequestHandler):
    """aiohttp's connection; its own page for what cannot be read repeats the bytes, which may hold a key."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that aiohttp could not read; the connection is closed after it."""
        usual = super().handle_error(request, status, exc, message)
        if status != 400:
            return usual
        error = own_error(status, MALFORMED, _TEXT)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in error.headers}
        answer = web.Response(
            status=status, headers=headers, body=pretty_json(error.value), content_type="application/json"
        )
        answer.force_close()
        return answer


class TrafficServer(web.Server):
    """aiohttp's server, with our connection."""

    def __call__(self) -> RequestHandler:
        """A connection for a client that has come."""
        return _Handler(self, loop=self._loop, **self._kwargs)
