"""Meters that read no usage, for a gateway that keeps no accounts (`accounting: false`): they look at sizes and times.

What they give is counted and has its line in the log, as every exchange (OBS-4, OBS-5); it is booked nowhere.
"""

from datetime import datetime
from typing import Final

from understudy.messages import RawHeaders
from understudy.pricing.cost import unknown

from .live_metering import LiveMeter
from .metering import Ending, ExchangeMeter
from .spend.record import SpendRecord

NO_ACCOUNTS: Final = "the gateway keeps no accounts"
"""Why a cost is unknown here."""

_UNKNOWN: Final = unknown(NO_ACCOUNTS)


class BlindMeter(ExchangeMeter):
    """Beside an exchange of which no account is kept."""

    __slots__ = ()

    @property
    def is_plain(self) -> bool:
        """Always: nothing comes of an operation either."""
        return True

    def request_body(self, data: bytes) -> None:
        """Take bytes of the request's body."""
        self.request_bytes += len(data)

    def answered(self, status: int, headers: RawHeaders) -> None:
        """Take the head of the answer."""
        self.answered_at = self._books.monotonic()

    def feed(self, data: bytes) -> None:
        """Take bytes of the answer's body."""
        self.response_bytes += len(data)

    def finish(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """What is known of the exchange."""
        return self._books.described(self.call, self.call.route.model, ending, _UNKNOWN, None, ended)

    def give_up(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """The same."""
        return self.finish(ending, ended)


class BlindLiveMeter(LiveMeter):
    """Beside a session of which no account is kept."""

    def client_message(self, payload: bytes) -> None:
        """Take a message of the client."""
        self.client_messages += 1
        self.client_bytes += len(payload)

    def server_message(self, payload: bytes) -> None:
        """Take a message of the provider."""
        self.server_messages += 1
        self.server_bytes += len(payload)

    def finish(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """What is known of the session; its model stands in a message, and none was read."""
        return self._books.described(self.call, None, ending, _UNKNOWN, None, ended)

    def give_up(self, ending: Ending, ended: datetime | None = None) -> SpendRecord:
        """The same."""
        return self.finish(ending, ended)
