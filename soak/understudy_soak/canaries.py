"""Secrets that stand in every place where one can stand, and the search for them where none may be. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CARRIERS: Final = ("x-goog-api-key", "authorization", "x-litellm-api-key", "query")
"""Where clients put their gateway key over HTTP."""

LIVE_CARRIERS: Final = ("live x-goog-api-key", "live api-key", "live query", "live subprotocol")

TOKEN: Final = b"ya29."
"""How the access tokens begin that the simulator gives out; the clients' own canary token is another one."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """The secrets of one soak: a gateway key for each carrier, and what else may be seen in one place only."""

    keys: Mapping[str, str]
    provider: str
    master: str
    google: str
    prompt: str

    @classmethod
    def of_seed(cls, seed: int) -> "Canaries":
        """Secrets that nothing else in the world is called."""

        def made(name: str) -> str:
            return hashlib.sha256(f"canary {seed} {name}".encode()).hexdigest()[:32]

        keys = {carrier: f"sk-{made(carrier)}" for carrier in (*CARRIERS, *LIVE_CARRIERS)}
        return cls(
            keys, f"AIza{made('provider')}", f"sk-{made('master')}", f"goog.{made('google')}", f"said-{made('prompt')}"
        )

    def beside_the_gateway(self) -> Mapping[str, bytes]:
        """What may stand in no log, store or metric: all of them, and any token."""
        named = {f"the gateway key in {carrier}": key for carrier, key in self.keys.items()}
        named |= {"the provider's key": self.provider, "the master key": self.master}
        named |= {"a client's Google token": self.google, "what a client said": self.prompt}
        return {name: value.encode() for name, value in named.items()} | {"an access token": TOKEN}

    def upstream(self) -> Mapping[str, bytes]:
        """What the provider may not see."""
        named = {f"the gateway key in {carrier}": key for carrier, key in self.keys.items()}
        named |= {"the master key": self.master, "a client's Google token": self.google}
        return {name: value.encode() for name, value in named.items()}

    def downstream(self) -> Mapping[str, bytes]:
        """What no client may see."""
        return {"the provider's key": self.provider.encode(), "the master key": self.master.encode()}


def found_in(place: str, data: bytes, secrets: Mapping[str, bytes]) -> list[str]:
    """Which secrets stand in `data`, each as a sentence that names the place."""
    return [f"{name} stands in {place}" for name, value in secrets.items() if value in data]


def once_each(findings: Iterable[str]) -> tuple[str, ...]:
    """The sentences without repetitions, in order."""
    return tuple(dict.fromkeys(findings))
