"""Upload URLs that stand for a key: signed, expiring, and good for one target alone (LRO-5, S-7, S-56). Pure.

Clients send the bytes of a file to the URL that the start of an upload gave them, and show no key there. Nothing is
remembered: the URL itself says whose it is, until when, and that the gateway has written it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Final

from understudy.secret import Secret

from .query import parameters

PARAMETER: Final = b"understudy_upload"
"""The query parameter with the signature; it ends at the gateway."""

LIFE: Final = timedelta(hours=24)

_PURPOSE: Final = b"understudy upload url 1"
_LONGEST: Final = 1024


class UploadSigner:
    """Signs and checks, by a key that is derived from the provider's own: all workers have it, and no client does."""

    def __init__(self, secret: Secret) -> None:
        self._key = hmac.digest(secret.reveal().encode("utf-8"), _PURPOSE, "sha256")

    def piece(self, target: bytes, key_id: str, now: datetime) -> bytes:
        """The parameter that makes a URL of an upstream `target` good for the gateway key `key_id`."""
        words = b"%x.%b" % (int((now + LIFE).timestamp()), urlsafe_b64encode(key_id.encode("utf-8")).rstrip(b"="))
        return PARAMETER + b"=" + words + b"." + self._signature(target, words)

    def key_id(self, target: bytes, query: bytes | None, now: datetime) -> str | None:
        """Whose URL it is; None if the gateway did not write it, or too long ago. `target`: as it goes upstream."""
        found = [one.value for one in parameters(query) if one.name == PARAMETER]
        if len(found) != 1 or len(found[0]) > _LONGEST or found[0].count(b".") != 2:
            return None
        words, _, signature = found[0].rpartition(b".")
        if not hmac.compare_digest(signature, self._signature(target, words)):
            return None
        expiry, _, name = words.partition(b".")
        if int(expiry, 16) < now.timestamp():
            return None
        return urlsafe_b64decode(name + b"=" * (-len(name) % 4)).decode("utf-8")

    def _signature(self, target: bytes, words: bytes) -> bytes:
        return urlsafe_b64encode(hmac.digest(self._key, words + b"\n" + target, "sha256")).rstrip(b"=")
