"""ID tokens: signed by a key that the provider publishes, for us, now, in answer to what we asked.

joserfc verifies signatures and times; which key, which algorithms, and the claims of OpenID Connect (core,
3.1.3.7) are decided here. An algorithm with a shared secret, or none, is never tried.
"""

import hmac
import json
from collections.abc import Sequence
from typing import Any, cast

from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError

from roadworthy.access.openid.trouble import Refused

_LEEWAY_SECONDS = 30
_LONGEST_SUBJECT = 255
_MOST_HEADER_BYTES = 8_192
_MOST_KEYS = 100
_SMALLEST_RSA_CHARS = 342
"""2,048 bits in base64."""
_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC"}


class _Registry(jws.JWSRegistry):
    """Headers may be longer than joserfc's 512 bytes, and have fields that are not known (RFC 7515, 4)."""

    max_header_length = _MOST_HEADER_BYTES

    def __init__(self, algorithms: Sequence[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)


class Signed:
    """An ID token that was taken apart and not checked yet. Raises `Refused` for what can be none."""

    def __init__(self, token: str, algorithms: Sequence[str]) -> None:
        # an empty list would mean joserfc's own choice, which has shared secrets among it
        if not algorithms:
            raise Refused("algorithm")
        self._registry = _Registry(algorithms)
        try:
            self._token = jws.extract_compact(token.encode(), registry=self._registry)
            headers = self._token.headers()
            self._registry.check_header(headers)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise Refused("form") from None
        self._algorithm = str(headers["alg"])
        if self._algorithm not in algorithms:
            raise Refused("algorithm")
        self._key_id = cast("str | None", headers.get("kid"))

    def key(self, published: Sequence[dict[str, Any]]) -> jwk.Key | None:
        """The key that it names, of those that are published; without a name, the only one that fits."""
        fitting = [one for one in published[:_MOST_KEYS] if self._fits(one)]
        if not fitting or (self._key_id is None and len(fitting) > 1):
            return None
        try:
            return jwk.import_key({name: value for name, value in fitting[0].items() if name != "key_ops"})
        except (JoseError, ValueError, TypeError):
            return None

    def claims(
        self, key: jwk.Key, *, issuer: str, client_id: str, nonce: str, now_seconds: int
    ) -> dict[str, Any]:
        """What it says. Raises `Refused` with the claim that does not hold, or `signature`."""
        try:
            verified = jws.validate_compact(self._token, key, registry=self._registry)
        except (JoseError, ValueError, TypeError):
            verified = False
        if not verified:
            raise Refused("signature")
        try:
            claims: Any = json.loads(self._token.payload)
        except (ValueError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise Refused("form")
        said = cast("dict[str, Any]", claims)
        self._check(said, issuer=issuer, client_id=client_id, nonce=nonce, now_seconds=now_seconds)
        return said

    def _fits(self, key: dict[str, Any]) -> bool:
        wanted = _KEY_TYPES[self._algorithm[:2]]
        modulus = key.get("n", "")
        large = wanted != "RSA" or (isinstance(modulus, str) and len(modulus) >= _SMALLEST_RSA_CHARS)
        return (
            key.get("kty") == wanted
            and key.get("use", "sig") == "sig"
            and key.get("alg", self._algorithm) == self._algorithm
            and (self._key_id is None or key.get("kid") == self._key_id)
            and large
        )

    @staticmethod
    def _check(claims: dict[str, Any], *, issuer: str, client_id: str, nonce: str, now_seconds: int) -> None:
        rules = jwt.JWTClaimsRegistry(
            now=now_seconds,
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        try:
            rules.validate(claims)
        except JoseError as error:
            raise Refused(_claim_of(error)) from None
        audiences: Any = claims["aud"]
        authorised = claims.get("azp")
        several = isinstance(audiences, list) and len(cast("list[Any]", audiences)) > 1
        if authorised != client_id and (several or authorised is not None):
            raise Refused("azp")
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(
            said.encode(errors="replace"), nonce.encode()
        ):
            raise Refused("nonce")
        subject: str = claims["sub"]
        if not subject.isascii() or not subject.isprintable() or len(subject) > _LONGEST_SUBJECT:
            raise Refused("sub")


def _claim_of(error: JoseError) -> str:
    """Which claim joserfc found wrong: it says so in an attribute, or in a sentence of its own."""
    named = getattr(error, "claim", None)
    return named if named in ("iss", "aud", "exp", "iat", "nbf", "sub") else "claims"
