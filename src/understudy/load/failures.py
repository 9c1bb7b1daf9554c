"""How a conversation under load can fail: in a few words that can be counted, and that hold nothing of its headers."""

import ssl
from typing import Self


class PlayFailure(Exception):
    """A conversation did not go as it should; the text is a short class of failures."""

    @classmethod
    def of(cls, error: OSError, during: str) -> Self:
        """The failure that an error of the operating system is."""
        match error:
            case TimeoutError():
                return cls(f"{during}: timeout")
            case ConnectionRefusedError():
                return cls(f"{during}: refused")
            case ConnectionResetError() | BrokenPipeError():
                return cls(f"{during}: reset")
            case ssl.SSLCertVerificationError():
                return cls(f"{during}: certificate not trusted")
            case _:
                return cls(f"{during}: {type(error).__name__}")
