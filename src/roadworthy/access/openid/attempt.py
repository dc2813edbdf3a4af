"""An attempt to sign in at a provider: one secret in the browser's cookie, from which everything is made.

`state`, `nonce` and the PKCE verifier are keyed digests of it, so that only the browser that began can end
what it began, nothing of it is on record, and none of them tells another one.
"""

import base64
import hashlib
import hmac

from roadworthy.access import secret as secrets
from roadworthy.access.secret import SecretKind


class Attempt:
    """What is made from the secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    @classmethod
    def new(cls) -> "Attempt":
        """Another one."""
        return cls(secrets.make(SecretKind.OPENID))

    @classmethod
    def of(cls, cookie: str) -> "Attempt | None":
        """The attempt of a cookie; None when it holds no such secret."""
        return cls(cookie) if secrets.well_formed(cookie, SecretKind.OPENID) else None

    @property
    def digest(self) -> str:
        """What is stored of it."""
        return secrets.fingerprint(self.secret)

    @property
    def state(self) -> str:
        """What comes back with the browser."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """What the ID token has to repeat."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """What the code is redeemed with (RFC 7636): 43 characters."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier beforehand (S256)."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    def began_with(self, state: str) -> bool:
        """Whether the browser comes back from what it began."""
        return hmac.compare_digest(self.state.encode(), state.encode(errors="replace"))

    def _made(self, what: str) -> str:
        return _text(hmac.digest(self.secret.encode(), b"roadworthy openid 1 " + what.encode(), "sha256"))


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
