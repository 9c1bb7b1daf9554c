"""The service account of the simulated cloud: its RSA key, its key file, and the public half that checks assertions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from understudy.errors import ConfigError
from understudy.secret import Secret

DEFAULT_EMAIL: Final = "understudy@understudy-project.iam.gserviceaccount.com"
DEFAULT_PROJECT: Final = "understudy-project"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account and its RSA key (PKCS#8 PEM, which never shows by accident)."""

    private_key_pem: Secret
    email: str = DEFAULT_EMAIL
    public_key: rsa.RSAPublicKey = field(init=False, repr=False, compare=False)

    _private_key: rsa.RSAPrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = _load(self.private_key_pem)
        object.__setattr__(self, "_private_key", key)
        object.__setattr__(self, "public_key", key.public_key())

    @classmethod
    def generate(cls, email: str = DEFAULT_EMAIL) -> "ServiceAccount":
        """A new account with a fresh 2048-bit key; takes some tenths of a second."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(Secret(pem.decode()), email)

    @classmethod
    def from_pem(cls, pem: str, email: str = DEFAULT_EMAIL) -> "ServiceAccount":
        """The account of an existing key. Raises ConfigError if `pem` is no unencrypted RSA private key."""
        return cls(Secret(pem), email)

    @property
    def key_id(self) -> str:
        """`private_key_id`: 40 hexadecimal digits that name the key."""
        der = self.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()[:40]

    @property
    def client_id(self) -> str:
        """`client_id` of the key file, `sub` of its ID tokens: 21 decimal digits."""
        return str(int(self.key_id[:16], 16)).rjust(21, "1")[:21]

    def signed_jwt(self, claims: Mapping[str, Any]) -> str:
        """A JWT with these claims, signed with the account's key (RS256)."""
        return jwt.encode(dict(claims), self._private_key, algorithm="RS256", headers={"kid": self.key_id})

    def signature_of(self, data: bytes) -> bytes:
        """The RSASSA-PKCS1-v1_5 signature (SHA-256) of `data`, as iamcredentials signs blobs."""
        return self._private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def key_file(self, token_uri: str, project: str = DEFAULT_PROJECT) -> dict[str, str]:
        """The JSON value of a Google service-account key file, as google-auth reads it; it holds the private key."""
        return {
            "type": "service_account",
            "project_id": project,
            "private_key_id": self.key_id,
            "private_key": self.private_key_pem.reveal(),
            "client_email": self.email,
            "client_id": self.client_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }


def _load(pem: Secret) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("service account: private_key is not an unencrypted private key in PEM form") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError("service account: private_key is not an RSA key")
    return key
