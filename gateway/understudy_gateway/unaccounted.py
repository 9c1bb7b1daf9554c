"""Meters that look at nothing, for a gateway that keeps no accounts (`accounting: false`)."""

from understudy.messages import RawHeaders

from .live_metering import LiveMeter
from .metering import ExchangeMeter


class BlindMeter(ExchangeMeter):
    """Beside an exchange of which nothing is remembered."""

    def asking(self) -> None:
        """Nothing."""

    def passed_on(self) -> None:
        """Nothing."""

    def request_body(self, data: bytes) -> None:
        """Nothing."""

    def answered(self, status: int, headers: RawHeaders) -> None:
        """Nothing."""

    def feed(self, data: bytes) -> None:
        """Nothing."""


class BlindLiveMeter(LiveMeter):
    """Beside a session of which nothing is remembered."""

    def client_message(self, payload: bytes) -> None:
        """Nothing."""

    def server_message(self, payload: bytes) -> None:
        """Nothing."""
