"""One provider: its discovery document and keys, remembered for a while, and what it answers for a code.

    authorize     where the browser goes
    redeem        code -> ID token, checked -> `Identity`
    goodbye       where the browser may go to sign out there as well

What fails is `Trouble` (the provider, or how it is set up) or `Refused` (what was presented).
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote_plus, urlencode, urlsplit

from pydantic import SecretStr

from roadworthy.access.openid.attempt import Attempt
from roadworthy.access.openid.trouble import Misconfigured, Refused, Trouble
from roadworthy.errors import SettingsError
from roadworthy.records import Clock
from roadworthy.settings import OpenIdSettings

if TYPE_CHECKING:
    import httpx2

_REMEMBERED_SECONDS = 3_600.0
_TROUBLE_SECONDS = 5.0
"""A provider that could not be asked is not asked again by everybody at once."""
_KEYS_AGAIN_SECONDS = 60.0
"""How often an unknown key lets the keys be fetched before their time."""
_LONGEST_EMAIL = 320
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OF_PERSON = ("email", "email_verified", "name", "preferred_username")
_HTTP_OK, _BAD_REQUEST, _SERVER_ERROR = 200, 400, 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, as a provider knows them."""

    issuer: str
    subject: str
    name: str
    """What the provider calls them; may be empty, or anything."""
    email: str | None
    """In lower case, and only where the provider verified it and is believed for its domain."""
    groups: frozenset[str]


class Provider:
    """A provider of the settings."""

    def __init__(
        self,
        name: str,
        settings: OpenIdSettings,
        *,
        address: str,
        secret: Callable[[], SecretStr | None],
        clock: Clock,
    ) -> None:
        self.name = name
        self.label = settings.label or name
        self.settings = settings
        self._home = f"{address}/"
        self._redirect_uri = f"{address}/sign-in/openid/{name}/callback"
        self._secret = secret
        self._clock = clock
        self._connections: httpx2.AsyncClient | None = None
        self._turn = asyncio.Lock()
        self._document: Remembered[dict[str, Any]] = Remembered(clock)
        self._keys: Remembered[list[dict[str, Any]]] = Remembered(clock)
        self._hurried: float | None = None

    async def document(self) -> Mapping[str, Any]:
        """The discovery document. Raises `Trouble`, also for one that is another issuer's."""
        async with self._turn:
            return await self._document.get(self._fetch_document)

    async def authorize(self, attempt: Attempt) -> str:
        """Where to send a browser. Raises `Trouble`."""
        document = await self.document()
        await self._proof()  # a secret that is missing is told before somebody types a password
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(dict.fromkeys(["openid", *self.settings.scopes])),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(document["authorization_endpoint"], asked)

    async def redeem(self, attempt: Attempt, code: str, issuer: str | None) -> Identity:
        """Who came back with this code; `issuer` is what came with it (RFC 9207). Raises both."""
        document = await self.document()
        always = document.get("authorization_response_iss_parameter_supported") is True
        if issuer != self.settings.issuer and (always or issuer is not None):
            raise Refused("issuer")
        answer = await self._exchange(document, attempt, code)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Trouble("answered without an ID token")
        claims = await self._claims(document, token, attempt)
        return self._identity(await self._completed(document, claims, answer.get("access_token")))

    async def goodbye(self) -> str | None:
        """Where somebody signs out there as well; None when there is no such place. Raises `Trouble`."""
        end = (await self.document()).get("end_session_endpoint")
        if end is None:
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": self._home}
        return _with_query(end, asked)

    async def close(self) -> None:
        """Close the connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()

    async def _fetch(self, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        if self._connections is None:
            self._connections = await asyncio.to_thread(_prepare)
        from roadworthy.access.openid.fetch import fetch

        return await fetch(self._connections, url, seconds=self.settings.timeout_seconds, **options)

    async def _fetch_document(self) -> dict[str, Any]:
        url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        status, found = await self._fetch(url)
        if status != _HTTP_OK:
            raise Trouble(f"answered {status} where its discovery document should be")
        if found.get("issuer") != self.settings.issuer:
            raise Misconfigured("says in its discovery document that it is another issuer")
        for name in (*_NEEDED, "userinfo_endpoint", "end_session_endpoint"):
            if (name in _NEEDED or name in found) and not self._is_safe(found.get(name)):
                raise Misconfigured(f"has no usable {name!r} in its discovery document")
        return found

    def _is_safe(self, url: object) -> bool:
        """Whether an address may be asked, and be put into a header: https wherever the issuer is."""
        if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
            return False
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError:
            return False
        return bool(parts.hostname) and parts.scheme in ("https", urlsplit(self.settings.issuer).scheme)

    async def _exchange(self, document: Mapping[str, Any], attempt: Attempt, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
            "client_id": self.settings.client_id,
        }
        headers: dict[str, str] = {}
        secret = await self._proof()
        if secret is not None:
            known = document.get("token_endpoint_auth_methods_supported")
            if isinstance(known, list) and "client_secret_basic" not in known:
                form["client_secret"] = secret
            else:
                both = f"{quote_plus(self.settings.client_id)}:{quote_plus(secret)}"
                headers["authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
                del form["client_id"]
        status, answer = await self._fetch(document["token_endpoint"], form=form, headers=headers)
        if status == _HTTP_OK:
            return answer
        if status == _BAD_REQUEST and answer.get("error") == "invalid_grant":
            raise Refused("code")
        if status < _SERVER_ERROR and answer.get("error") in ("invalid_client", "unauthorized_client"):
            raise Trouble(f"answered {status}: it does not take this client id with this secret")
        raise Trouble(f"answered {status} when the code was to be redeemed")

    async def _proof(self) -> str | None:
        """The client secret; None for a public client."""
        try:
            secret = await asyncio.to_thread(self._secret)
        except SettingsError:
            raise Trouble("has no client secret here: see `roadworthy config check`") from None
        return None if secret is None else secret.get_secret_value()

    async def _claims(self, document: Mapping[str, Any], token: str, attempt: Attempt) -> dict[str, Any]:
        from roadworthy.access.openid.id_token import Signed

        said: Any = document.get("id_token_signing_alg_values_supported")
        theirs = cast("list[Any]", said) if isinstance(said, list) else list(self.settings.algorithms)
        signed = Signed(token, [one for one in self.settings.algorithms if one in theirs])
        key = signed.key(await self._published())
        if key is None:
            key = signed.key(await self._published(again=True))
        if key is None:
            raise Refused("key")
        return signed.claims(
            key,
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=attempt.nonce,
            now_seconds=self._clock.now_ms() // 1000,
        )

    async def _published(self, *, again: bool = False) -> list[dict[str, Any]]:
        """The keys of the provider; with `again` fetched anew, if that was not done just before."""
        async with self._turn:
            document = await self._document.get(self._fetch_document)
            now = self._clock.monotonic()
            if again and (self._hurried is None or now - self._hurried >= _KEYS_AGAIN_SECONDS):
                self._hurried = now
                self._keys.forget()
            return await self._keys.get(lambda: self._fetch_keys(document["jwks_uri"]))

    async def _fetch_keys(self, url: str) -> list[dict[str, Any]]:
        status, found = await self._fetch(url)
        keys = found.get("keys")
        if status != _HTTP_OK or not isinstance(keys, list):
            raise Trouble(f"answered {status} where its keys should be")
        return [cast("dict[str, Any]", one) for one in cast("list[Any]", keys) if isinstance(one, dict)]

    async def _completed(
        self, document: Mapping[str, Any], claims: dict[str, Any], access_token: object
    ) -> dict[str, Any]:
        """The claims with those that a provider tells only when it is asked with the access token."""
        rules = self.settings.admit
        lacking = "email" not in claims or (
            self.settings.groups_claim not in claims and any(rule.group for rule in rules)
        )
        endpoint = document.get("userinfo_endpoint")
        plain = isinstance(access_token, str) and access_token.isascii() and access_token.isprintable()
        if not lacking or endpoint is None or not plain:
            return claims
        status, told = await self._fetch(endpoint, headers={"authorization": f"Bearer {access_token}"})
        if status != _HTTP_OK:
            raise Trouble(f"answered {status} when it was asked about a person")
        if told.get("sub") != claims["sub"]:
            raise Refused("userinfo")
        # an address counts with what is said of it in the same place
        names = (*(_OF_PERSON if "email" not in claims else ()), self.settings.groups_claim)
        return {**{name: told[name] for name in names if name in told}, **claims}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        groups: Any = claims.get(self.settings.groups_claim)
        listed = cast("list[Any]", groups) if isinstance(groups, list) else [groups]
        names = (claims.get("name"), claims.get("preferred_username"))
        return Identity(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            name=next((one for one in names if isinstance(one, str)), ""),
            email=self._email(claims),
            groups=frozenset(one for one in listed if isinstance(one, str)),
        )

    def _email(self, claims: Mapping[str, Any]) -> str | None:
        email = claims.get("email")
        # other alphabets have letters whose small ones are ours: such an address could pass for another one
        if claims.get("email_verified") is not True or not isinstance(email, str) or not email.isascii():
            return None
        email = email.lower()
        local, _, domain = email.rpartition("@")
        if (
            not local
            or "@" in local
            or not email.isprintable()
            or len(email) > _LONGEST_EMAIL
            or " " in email
        ):
            return None
        believed = self.settings.email_domains
        return email if not believed or domain in believed else None


class Remembered(Generic[T]):
    """What was fetched, for a while; or that it could not be, for a moment. One asks at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: T | None = None
        self._trouble: Trouble | None = None
        self._until = 0.0

    async def get(self, fetch: Callable[[], Awaitable[T]]) -> T:
        """What is remembered, or else is fetched. Raises `Trouble`."""
        if self._clock.monotonic() < self._until:
            if self._trouble is not None:
                raise self._trouble.with_traceback(None)
            if self._found is not None:
                return self._found
        self._found = self._trouble = None
        try:
            self._found = await fetch()
        except Trouble as trouble:
            self._trouble = trouble
            self._until = self._clock.monotonic() + _TROUBLE_SECONDS
            raise
        self._until = self._clock.monotonic() + _REMEMBERED_SECONDS
        return self._found

    def forget(self) -> None:
        """Fetch at the next time."""
        self._until = 0.0


def _prepare() -> "httpx2.AsyncClient":
    """Connections; loads what only those need who sign in, and reads certificates: not on the event loop."""
    from roadworthy.access.openid import fetch, id_token

    assert id_token.Signed  # noqa: S101 - loaded, for those who import it later
    return fetch.client()


def _with_query(url: str, asked: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"
