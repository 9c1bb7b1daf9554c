"""How the recorder says that an exchange ended, as far as rules tell its ends apart. Pure."""

from typing import Final

UNDER_WAY: Final = "not ended yet"
"""The failure of an exchange that goes on."""

INJECTED: Final = "fault injected"
"""How the failure of an exchange begins that was broken off on purpose."""

CLIENT_LEFT: Final = "client left"
"""The failure of an exchange whose client ended the connection."""

BROKE_OFF: Final = "the request broke off"
"""The failure of an exchange whose request did not come to its end."""

TOKENS: Final = "oauth"
"""The surface of exchanges at the endpoints that give access tokens."""
