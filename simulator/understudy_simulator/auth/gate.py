"""The judge of credentials, and the token endpoint that issues access tokens.

Sources: wire-http 5.2 (which refusal for which mistake), 11.1 (where credentials stand), 11.2 to 11.4 (the grants).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from understudy.secret import Secret, key_digest

from ..clock import Clock
from ..service_account import ServiceAccount
from ..settings import SimulatorSettings
from .ephemeral import EphemeralTokens
from .grants import TOKEN_LIFETIME_S, Granted, TokenAnswer, granted
from .presented import Presented
from .self_signed import self_signed_outcome

_INVALID: Final = "invalid"
_EXPIRED: Final = "expired"
"""Words by which a made-up credential says how it is to be refused."""

_REMEMBERED: Final = timedelta(hours=1)
"""How long an expired token is still known, so that it is refused as expired."""

_JWT_CACHE_LIMIT: Final = 1024


class Verdict(Enum):
    """What came of the presented credentials, and of the projects that a call concerns."""

    ADMITTED = auto()
    NO_CREDENTIALS = auto()
    KEY_INVALID = auto()
    KEY_EXPIRED = auto()
    KEY_UNSUPPORTED = auto()
    TOKEN_INVALID = auto()
    TOKEN_EXPIRED = auto()
    API_DISABLED = auto()
    PROJECT_DENIED = auto()
    USER_PROJECT_DENIED = auto()


class Gatekeeper:
    """Judges credentials, and issues access tokens."""

    def __init__(self, settings: SimulatorSettings, account: ServiceAccount, clock: Clock) -> None:
        self.account = account
        self.ephemeral = EphemeralTokens()
        self._mode = settings.auth
        self._keys = frozenset(key.digest() for key in settings.api_keys)
        self._expired_keys = frozenset(key.digest() for key in settings.expired_keys)
        self._denied = frozenset(settings.denied_projects)
        self._disabled = frozenset(settings.disabled_projects)
        self._clock = clock
        self._issued: dict[bytes, datetime] = {}
        self._self_signed: dict[bytes, float] = {}

    def judge(
        self,
        presented: Presented,
        *,
        is_vertex: bool,
        has_project: bool,
        project: str | None = None,
        takes_ephemeral: bool = False,
    ) -> Verdict:
        """Whether a call to a service is admitted. `has_project`: it names a project, so no key will do; `project` is
        its name where it is known. `takes_ephemeral`: a Live session, which alone can be opened with such a token.

        A presented token is evaluated first; a good key does not rescue a bad token (wire-http 5.2).
        """
        verdict = self._judge_credentials(presented, is_vertex and has_project, takes_ephemeral)
        if verdict is not Verdict.ADMITTED or not (self._denied or self._disabled):
            return verdict
        return self._judge_projects(project or "", presented.user_project)

    def refused_project(self, project: str | None, user_project: str) -> str:
        """The project that a refusal of `judge` is about."""
        refused = self._denied | self._disabled
        return project if project and project in refused else user_project or project or ""

    def _judge_credentials(self, presented: Presented, needs_principal: bool, takes_ephemeral: bool) -> Verdict:
        if presented.ephemeral is not None:
            is_good = takes_ephemeral and _INVALID not in presented.ephemeral.reveal().lower()
            return Verdict.ADMITTED if is_good else Verdict.TOKEN_INVALID
        if presented.token is not None:
            return self._judge_token(presented.token)
        if presented.key is None:
            return Verdict.NO_CREDENTIALS
        return Verdict.KEY_UNSUPPORTED if needs_principal else self._judge_key(presented.key)

    def _judge_projects(self, project: str, user_project: str) -> Verdict:
        if project in self._disabled or user_project in self._disabled:
            return Verdict.API_DISABLED
        if project in self._denied:
            return Verdict.PROJECT_DENIED
        return Verdict.USER_PROJECT_DENIED if user_project in self._denied else Verdict.ADMITTED

    def _judge_key(self, key: Secret) -> Verdict:
        if self._keys or self._expired_keys:
            digest = key.digest()
            if digest in self._expired_keys:
                return Verdict.KEY_EXPIRED
            if self._keys:
                return Verdict.ADMITTED if digest in self._keys else Verdict.KEY_INVALID
        text = key.reveal().lower()
        if _EXPIRED in text:
            return Verdict.KEY_EXPIRED
        return Verdict.KEY_INVALID if _INVALID in text else Verdict.ADMITTED

    def _judge_token(self, token: Secret) -> Verdict:
        text = token.reveal()
        digest = token.digest() if self._issued or text.startswith("eyJ") else b""
        expiry = self._issued.get(digest)
        if expiry is not None:
            return Verdict.ADMITTED if self._clock.now() < expiry else Verdict.TOKEN_EXPIRED
        if text.startswith("eyJ") and text.count(".") == 2:
            return self._judge_jwt(text, digest)
        lower = text.lower()
        if _EXPIRED in lower:
            return Verdict.TOKEN_EXPIRED
        if self._mode == "issued" or not text or _INVALID in lower:
            return Verdict.TOKEN_INVALID
        return Verdict.ADMITTED

    def _judge_jwt(self, text: str, digest: bytes) -> Verdict:
        """A self-signed JWT is judged in both modes: whoever sends one can sign."""
        now = self._clock.wall()
        known = self._self_signed.get(digest)
        if known is not None:
            return Verdict.ADMITTED if now.timestamp() < known else Verdict.TOKEN_EXPIRED
        outcome, expires = self_signed_outcome(text, self.account, now)
        if outcome == "bad":
            return Verdict.TOKEN_INVALID
        if len(self._self_signed) >= _JWT_CACHE_LIMIT:
            self._self_signed.clear()
        self._self_signed[digest] = expires
        return Verdict.ADMITTED if outcome == "good" else Verdict.TOKEN_EXPIRED

    def exchange(self, form: Mapping[str, str], own_uri: str, token: str) -> TokenAnswer:
        """The answer of the token endpoint to a form: any of its grants.

        `own_uri` is the address it was called at, also fit to be the audience; `token` is what will be issued.
        """
        answer = granted(form, self.account, own_uri, token, self._clock.wall())
        if not isinstance(answer, Granted):
            return answer
        self.issue(token)
        return answer.answer

    def issue(self, token: str, lifetime_s: float = TOKEN_LIFETIME_S) -> datetime:
        """Make an access token good from now on; gives the moment at which it expires."""
        now = self._clock.now()
        self._issued = {digest: expiry for digest, expiry in self._issued.items() if expiry > now - _REMEMBERED}
        expiry = now + timedelta(seconds=lifetime_s)
        self._issued[key_digest(token.encode())] = expiry
        return expiry

    def wall(self) -> datetime:
        """The client's own time of day: what the times in JWTs go by."""
        return self._clock.wall()
