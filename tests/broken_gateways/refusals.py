"""The answers that the honest gateway gives by itself, in the shape of Google's errors. Pure."""

import json

from understudy.rpc_status import error_info, rpc_status


class Refused(Exception):
    """The gateway answers by itself: a status, a message, and header fields."""

    def __init__(self, status: int, message: str, *fields: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status, self.fields = status, fields

    @property
    def reason(self) -> str:
        """A word for machines."""
        return f"REFUSED_{self.status}"


def error_body(refused: Refused) -> bytes:
    """The refusal as JSON."""
    details = [error_info(refused.reason, "gateway")]
    return json.dumps(rpc_status(refused.status, str(refused), details)).encode()
