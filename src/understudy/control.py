"""Client of a simulator's control API (docs/reference/control-api.md), for programs without an event loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Literal, Self, cast

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from .client_verdicts.model import ClientVerdict
from .client_verdicts.model import from_json as from_verdict_json
from .errors import TargetError
from .messages import Transcript
from .secret import Secret
from .transcript_json import from_json

Carrier = Literal["path", "header", "marker"]

PREFIX: Final = "/__understudy__/v1/"
KEY_HEADER: Final = "x-understudy-control-key"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope of the simulator: how often it was asked, which scenarios it still plays and which are played out."""

    name: str
    requests: int
    armed: tuple[str, ...]
    played_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The simulator's clock: the time of day of the simulated service, and the seconds that a transcript counts in."""

    now: datetime
    monotonic_s: float

    @property
    def epoch(self) -> datetime:
        """The time of day at which the transcript's seconds began."""
        return self.now - timedelta(seconds=self.monotonic_s)


@dataclass(frozen=True, slots=True)
class Judged:
    """What clients did wrong; `dropped` entries of the transcript were forgotten, and not judged."""

    verdicts: tuple[ClientVerdict, ...]
    dropped: int


class Control:
    """The control API at the admin address `url`; closes its connections as a context manager or by `close()`.

    Every method raises TargetError if the simulator cannot be reached, refuses, or answers out of contract.
    """

    def __init__(self, url: str, key: Secret | None = None, timeout_s: float = 30.0) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # The admin port is on loopback: neither a proxy nor a .netrc of the user's is meant for it.
        self._session.trust_env = False
        if key is not None:
            self._session.headers[KEY_HEADER] = key.reveal()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def health(self) -> Mapping[str, Any]:
        """What the simulator says of itself; `version` is among it."""
        return self._ask("GET", "health")

    def play(
        self,
        scenario: str | Mapping[str, Any],
        *,
        scope: str = "",
        carrier: Carrier = "header",
        times: int | None = 1,
        speed: float | None = None,
        latency: str | Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Arm a scenario, by its id or as an inline document, in a scope; the simulator's answer.

        `carrier` says how requests show the scope; `times` None plays it without end; `speed` and `latency` (the name
        of a profile, or one inline) None keep the simulator's.
        """
        wish = {"scenario": scenario, "scope": scope, "carrier": carrier, "times": times}
        more = {name: value for name, value in (("speed", speed), ("latency", latency)) if value is not None}
        return self._ask("POST", "play", wish | more)

    def reset(self, scope: str | None = None, *, strict: bool | None = None, any_body: bool | None = None) -> None:
        """Forget what is armed and what was seen, in one scope or (None) in all.

        `strict` says whether what no scenario answers is refused from then on, `any_body` whether bodies pass that
        Google would refuse; None: as the simulator was started.
        """
        wish = {"scope": scope, "strict": strict, "any_body": any_body}
        self._ask("POST", "reset", {name: value for name, value in wish.items() if value is not None})

    def transcript(self, scope: str | None = None) -> Transcript:
        """What the simulator has seen, exact: in one scope or (None) in all."""
        return from_json(self._ask("GET", "transcript", query=None if scope is None else {"scope": scope}))

    def verdicts(self, scope: str | None = None, *, over: bool = False) -> tuple[ClientVerdict, ...]:
        """What the clients did wrong (docs/reference/verdicts.md): in one scope or (None) in all.

        `over`: they are done, so that what they have not done yet counts as left undone.
        """
        return self.judged(scope, over=over).verdicts

    def judged(self, scope: str | None = None, *, over: bool = False) -> Judged:
        """The same, and how much of what they did was forgotten."""
        query = ({} if scope is None else {"scope": scope}) | ({"over": "true"} if over else {})
        answer = self._ask("GET", "verdicts", query=query)
        found, dropped = answer.get("verdicts"), answer.get("dropped")
        if not isinstance(found, list) or not isinstance(dropped, int):
            raise TargetError(f"{self._url}: the verdicts are not in the documented form")
        return Judged(tuple(from_verdict_json(entry) for entry in cast("list[Any]", found)), dropped)

    def advance(self, seconds: float) -> ClockReading:
        """Move scenario time forward; the clock after it."""
        return self._reading(self._ask("POST", "clock", {"advance_s": seconds}))

    def clock(self) -> ClockReading:
        """What the clock shows."""
        return self._reading(self._ask("GET", "clock"))

    def scopes(self) -> tuple[Scope, ...]:
        """All scopes that were used, the default one always."""
        answer = self._ask("GET", "scopes")
        try:
            return tuple(
                Scope(entry["name"], int(entry["requests"]), tuple(entry["armed"]), tuple(entry["played_out"]))
                for entry in answer["scopes"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TargetError(f"{self._url}: the scopes are not in the documented form: {error!r}") from error

    def _reading(self, answer: Mapping[str, Any]) -> ClockReading:
        try:
            return ClockReading(datetime.fromisoformat(answer["now"]), float(answer["monotonic_s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TargetError(f"{self._url}: the clock is not in the documented form: {error!r}") from error

    def _ask(
        self, method: str, word: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            answer = self._session.request(
                method,
                f"{self._url}{PREFIX}{word}",
                json=body,
                params=query,
                timeout=self._timeout_s,
                allow_redirects=False,
            )
            value = answer.json()
        except requests.JSONDecodeError as error:
            raise TargetError(f"{self._url}: no simulator's admin address: {word} was not answered in JSON") from error
        except requests.RequestException as error:
            raise TargetError(f"{self._url}: the simulator cannot be reached: {_reason(error)}") from error
        if not isinstance(value, dict):
            raise TargetError(f"{self._url}: {word} was answered out of contract (HTTP {answer.status_code})")
        fields = cast(dict[str, Any], value)
        if answer.status_code != requests.codes.ok:
            raise TargetError(f"{self._url}: {word} was refused (HTTP {answer.status_code}): {_message(fields)}")
        return fields


def _message(value: Mapping[str, Any]) -> str:
    """The text of a refusal, wherever it stands."""
    error: Any = value.get("error", value)
    return str(cast(dict[str, Any], error).get("message", error) if isinstance(error, dict) else error)


def _reason(error: requests.RequestException) -> str:
    """The cause in a few words; requests wraps it several times over."""
    match error:
        case InvalidSchema() | MissingSchema() | InvalidURL():
            return "not a URL; it must begin with http://"
        case requests.Timeout():
            return "no answer in time"
        case requests.ConnectionError():
            return "nothing listens there (is `understudy up` running?)"
        case _:
            return str(error)
