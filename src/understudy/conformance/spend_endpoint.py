"""Asks a gateway over HTTP what its requests cost, where it has an endpoint for its spend."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from decimal import Decimal
from http.client import HTTPException
from typing import Any, Final, cast
from urllib.parse import quote

from ..errors import TargetError
from ..secret import Secret
from .books import figure_of
from .model import Figure
from .target import CostSource

_WITHIN_S: Final = 10.0
_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_NOT_YET: Final = frozenset({404, 429, 500, 502, 503, 504})


class SpendEndpoint:
    """The endpoint of `source`, at the gateway `url` if it is a path; `key` is shown where the source names none.

    It is asked for one id at a time, anew each time: what is billed twice may be billed late.
    """

    def __init__(self, source: CostSource, url: str, key: Secret | None, tls: ssl.SSLContext | None) -> None:
        self._source = source
        self._url = source.url if "://" in source.url else url.rstrip("/") + source.url
        self._key = source.key or key
        # The gateway is named by its URL: a proxy of the user's is not meant for it.
        no_proxies = urllib.request.ProxyHandler({})
        https = urllib.request.HTTPSHandler(context=tls)
        self._opener = urllib.request.build_opener(no_proxies, https, _NoRedirects)

    def figures(self, ids: Iterable[str]) -> tuple[Figure, ...]:
        """All figures of these ids so far, in the order of `ids`.

        Raises TargetError if the endpoint refuses, cannot be reached or answers with no JSON.
        """
        return tuple(figure for id in ids for figure in self._figures_of(id))

    def _figures_of(self, id: str) -> Iterable[Figure]:
        url = self._url.replace("{id}", quote(id, safe=""))
        body = self._asked(url)
        if body is None:
            return
        try:
            value: Any = json.loads(body, parse_float=Decimal)
        except ValueError:
            raise TargetError(f"{url}: the answer is no JSON") from None
        for entry in _entries(value, self._source.entries):
            figure = figure_of(entry, self._source)
            if figure is not None and figure.id == id:
                yield figure

    def _asked(self, url: str) -> bytes | None:
        """The body of the answer; None if nothing is known yet."""
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
        if self._key is not None:
            request.add_header("Authorization", f"Bearer {self._key.reveal()}")
        try:
            with self._opener.open(request, timeout=_WITHIN_S) as response:
                return response.read(_LONGEST_ANSWER)
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
            if status in _NOT_YET:
                return None
            hint = "; its key is `cost.key`" if status in (401, 403) else ""
            raise TargetError(f"{url}: answered {status} where costs were asked for{hint}") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise TargetError(f"{url}: cannot be asked for costs: {reason}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: the key is not meant for whoever the answer names."""

    def redirect_request(self, *args: Any, **words: Any) -> None:
        """Never another request; the redirect is answered as an error."""


def _entries(value: Any, place: str) -> Iterable[Mapping[str, Any]]:
    """The entries of an answer: at `place` (names with dots between), a list of objects, or a single one."""
    for name in filter(None, place.split(".")):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    found = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [cast("dict[str, Any]", entry) for entry in found if isinstance(entry, dict)]
