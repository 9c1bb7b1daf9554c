"""URLs of the provider in its answers that are to lead back to the gateway (LRO-5). Pure, and off unless asked for.

This is the one change of an answer besides cost injection: upload URLs and redirects in the head, and in JSON bodies
the `uri` of what is to be downloaded. A file's `uri` stays: it is a name, which the provider wants back in requests.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from understudy.messages import RawHeaders, header_value, header_values

from .providers import GEMINI_BASE
from .query import KEY_PARAMETERS, split_target, without
from .routes import Route, Upstream
from .settings import ApiKey, Base, GatewayConfig
from .upload_urls import UploadSigner

UPLOAD_FIELDS: Final = frozenset({b"x-goog-upload-url", b"x-goog-upload-control-url"})
PREFIX: Final = b"/gemini"
LONGEST_URL: Final = 2048

_FIELDS: Final = UPLOAD_FIELDS | {b"location"}
_KEYS: Final = (b'"uri"', b'"downloadUri"')
_HOST: Final = re.compile(rb"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
_NESTED: Final = re.compile(
    rb"(?P<front>/+(?:v[0-9a-z]+/)?)files/https?(?::|%3A)/{1,2}[^/]+/(?:.+/)?files/(?P<name>[a-z0-9]+:download)"
)
_UNFINISHED: Final = re.compile(rb'"(?:uri|downloadUri)"\s{0,64}(?::\s{0,64}(?:"[^"]{0,%d})?)?' % (LONGEST_URL + 256))


def may_rewrite(route: Route) -> bool:
    """Whether an answer on this route may hold URLs to be led back: uploads, files, and polls of videos."""
    if route.upstream.kind != "gemini" or route.is_live:
        return False
    path = split_target(route.target)[0][len(route.upstream.base_path) :].lstrip(b"/")
    is_upload = path.startswith((b"upload/", b"resumable/"))
    return is_upload or route.operation is not None or b"/files" in path


def mended(path: bytes, query: bytes | None) -> tuple[bytes, bytes | None]:
    """The target that google-genai for Python means when it takes a whole link for the name of a file.

    It finds the name only in links that begin with https; of `http://gateway/...` it makes `files/http://gateway/...`
    (wire-http 6.4). Of such a path the last name counts.
    """
    found = _NESTED.fullmatch(path)
    return (path, query) if found is None else (found["front"] + b"files/" + found["name"], b"alt=media")


@dataclass(frozen=True, slots=True)
class Way:
    """How an exchange's answer leads back: `public` is the gateway as its client sees it, with the prefix.

    `key_id` is whose upload URLs are signed; None: none are, since the client itself came by one.
    """

    public: bytes
    upstream: Upstream
    signer: UploadSigner | None
    key_id: str | None
    now: datetime

    def head(self, headers: RawHeaders) -> RawHeaders:
        """The fields of the answer; those that hold a URL of the provider's changed."""
        return tuple((name, self._field(name, value)) for name, value in headers)

    def body(self, headers: RawHeaders) -> "UriRewriter | None":
        """What changes the body; None for one that stays as it is: what is no JSON, or is compressed (HDR-6)."""
        kind = (header_value(headers, b"content-type") or b"").partition(b";")[0].strip().lower()
        if kind != b"application/json" or header_values(headers, b"content-encoding"):
            return None
        return UriRewriter(_origins(self.upstream), self.public)

    def _field(self, name: bytes, value: bytes) -> bytes:
        lowered = name.lower()
        if lowered not in _FIELDS:
            return value
        target = _below(value, _origins(self.upstream))
        if target is None:
            return value
        if lowered not in UPLOAD_FIELDS:
            return self.public + target
        if self.signer is None or self.key_id is None:
            return value
        piece = self.signer.piece(self.upstream.base_path.encode("ascii") + target, self.key_id, self.now)
        return self.public + target + (b"&" if b"?" in target else b"?") + piece


def signer_of(config: GatewayConfig) -> UploadSigner | None:
    """What signs upload URLs; None where they are not rewritten, or the provider gets the client's own credential."""
    source = config.gemini.source
    return UploadSigner(source.key) if config.reach.rewrites_urls and isinstance(source, ApiKey) else None


def public_base(public_url: Base | None, scheme: bytes, host: bytes | None, mount: bytes) -> bytes | None:
    """The gateway's URL with the prefix of the Gemini API: as configured, else as the client called it.

    None where its `Host` is none that could stand in a URL.
    """
    if public_url is not None:
        named = Upstream("gemini", public_url.scheme, public_url.host, public_url.port, "")
        return f"{public_url.scheme}://{named.authority}{public_url.path}".encode("ascii") + PREFIX
    if host is None or not _HOST.fullmatch(host):
        return None
    return scheme + b"://" + host + mount + PREFIX


def _origins(upstream: Upstream) -> tuple[bytes, ...]:
    """What URLs of the provider begin with: where it is asked, and Google's own name for it."""
    own = f"{upstream.scheme}://{upstream.authority}{upstream.base_path}".encode("ascii")
    google = f"{GEMINI_BASE.scheme}://{GEMINI_BASE.host}".encode("ascii")
    return tuple(dict.fromkeys((own, google)))


def _below(url: bytes, origins: tuple[bytes, ...]) -> bytes | None:
    """The target of a URL of the provider's, without a credential; None if it leads elsewhere."""
    origin = next((one for one in origins if url.startswith(one + b"/")), None)
    if origin is None or len(url) > LONGEST_URL:
        return None
    path, query = split_target(url[len(origin) :])
    left = without(query, KEY_PARAMETERS)
    return path if left is None else path + b"?" + left


class UriRewriter:
    """Changes the download URLs of a JSON body as it passes. It holds back at most what one URL is long."""

    def __init__(self, origins: tuple[bytes, ...], public: bytes) -> None:
        self._origins = origins
        self._public = public
        self._held = b""
        starts = b"|".join(re.escape(origin) for origin in origins)
        self._pattern = re.compile(
            rb'(?<!\\)("(?:uri|downloadUri)"\s{0,64}:\s{0,64}")((?:%b)/[^"]{0,%d})(?=")' % (starts, LONGEST_URL)
        )

    def feed(self, data: bytes) -> bytes:
        """What may pass of the body so far."""
        text = self._pattern.sub(self._led_back, self._held + data)
        keep = _unfinished_from(text)
        keep -= keep > 0 and text[keep - 1 : keep] == b"\\"  # whether a quote is escaped must be seen with it
        self._held = text[keep:]
        return text[:keep]

    def finish(self) -> bytes:
        """What was held back at the end."""
        held, self._held = self._held, b""
        return held

    def _led_back(self, found: "re.Match[bytes]") -> bytes:
        url = found[2].replace(rb"\u003d", b"=").replace(rb"\u0026", b"&")
        target = _below(url, self._origins)
        is_download = target is not None and (b":download" in target or b"alt=media" in target)
        return found[1] + self._public + target if target is not None and is_download else found[0]


def _unfinished_from(text: bytes) -> int:
    """Where the last key begins whose value is not whole yet; the end of the text if there is none."""
    nearby = max(0, len(text) - LONGEST_URL - 512)
    start = max(text.rfind(key, nearby) for key in _KEYS)
    if start >= 0 and _UNFINISHED.fullmatch(text, start):
        return start
    for key in _KEYS:
        for size in range(min(len(key) - 1, len(text)), 0, -1):
            if text.endswith(key[:size]):
                return len(text) - size
    return len(text)
