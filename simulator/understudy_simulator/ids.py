"""Identifiers and small choices, derived by hash from (seed, scope, number): the same run gives the same ids.

Nothing here is secret or random; the forms are those of the services (wire-http 4.3, 6.3, 6.4, 11.2).
"""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Identity:
    """Where the ids of one request come from: the simulator's seed, its scope, its number in that scope (from 1)."""

    seed: int
    scope: str
    number: int

    def digest(self, purpose: str) -> bytes:
        """32 bytes for `purpose`; different purposes give unrelated bytes."""
        return hashlib.sha256(f"{self.seed}\0{self.scope}\0{self.number}\0{purpose}".encode()).digest()

    @property
    def response_id(self) -> str:
        """A `responseId`: 23 URL-safe base64 characters."""
        return urlsafe_b64encode(self.digest("response")[:17]).decode().rstrip("=")

    @property
    def operation_id(self) -> str:
        """The last part of a Gemini operation name: 12 characters of `[a-z0-9]`."""
        return _lower(self.digest("operation"), 12)

    @property
    def uuid(self) -> str:
        """A UUID (version 4 in form): the last part of a Vertex operation name, a Vertex session id."""
        return str(UUID(bytes=self.digest("uuid")[:16], version=4))

    def file_id(self, index: int) -> str:
        """The id of the video number `index`: 12 characters of `[a-z0-9]`, which the SDK insists on (wire-http 6.4)."""
        return _lower(self.digest(f"file {index}"), 12)

    @property
    def access_token(self) -> str:
        """An access token as the token endpoint gives it."""
        return "ya29.c.understudy-" + urlsafe_b64encode(self.digest("token")[:30]).decode()

    @property
    def call_id(self) -> str:
        """The id of a function call: 8 characters of `[a-z0-9]`."""
        return _lower(self.digest("call"), 8)

    def lower(self, purpose: str, length: int) -> str:
        """An id of `length` (at most 43) characters of `[a-z0-9]` for `purpose`, for example `file`."""
        return _lower(self.digest(purpose), length)

    def decimal(self, purpose: str, digits: int) -> str:
        """An id of `digits` (at most 30) decimal digits, the first of them not 0."""
        value = int.from_bytes(self.digest(purpose)) % (9 * 10 ** (digits - 1))
        return str(10 ** (digits - 1) + value)

    def hex(self, purpose: str, length: int) -> str:
        """An id of `length` (at most 64) hexadecimal digits."""
        return self.digest(purpose).hex()[:length]

    def urlsafe(self, purpose: str, length: int) -> str:
        """An id of `length` characters of the URL-safe base64 alphabet; longer ones than 43 repeat the hash."""
        data = b"".join(self.digest(f"{purpose} {part}") for part in range(length * 6 // 256 + 1))
        return urlsafe_b64encode(data).decode()[:length]

    @property
    def duration_ms(self) -> int:
        """A believable duration for `server-timing`, 200 to 999."""
        return 200 + int.from_bytes(self.digest("duration")[:4]) % 800


_LOWER: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz01")


def _lower(data: bytes, length: int) -> str:
    # base64 in lower case rather than base32, which Python encodes letter by letter.
    return urlsafe_b64encode(data).translate(_LOWER, b"=")[:length].decode()
