"""A provider of OpenID Connect on a real socket, signing with real keys, and browsers that sign in there."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import httpx2
import pytest
from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from roadworthy.audit import Action, Filter
from roadworthy.db import Database, upgrade
from roadworthy.service import Server
from roadworthy.settings import ServiceSettings

CLIENT_ID, CLIENT_SECRET = "desk app/1", "s3cret:of+the%desk-app"
RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "ec-1", "alg": "ES256"})
ANY = list(JWSRegistry.algorithms)

Answer = Callable[[Request], Any]


class IdentityProvider:
    """Knows one person at a time; each part of it can be made to misbehave."""

    def __init__(self) -> None:
        self.client_id, self.client_secret = CLIENT_ID, CLIENT_SECRET
        self.person: dict[str, Any] = {
            "sub": "248289761001",
            "name": "Maria da Silva",
            "email": "maria@example.org",
            "email_verified": True,
        }
        self.more: dict[str, Any] = {}
        """What is said in the place of what belongs into an ID token; None leaves a claim out."""
        self.told: dict[str, Any] = {}
        """Of the discovery document."""
        self.key: jwk.Key | bytes = RSA
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "rsa-1"}
        self.published: list[jwk.Key] = [RSA, EC]
        self.broken: dict[str, Answer] = {}
        """By path: what is answered in the place of what should be."""
        self.asked: Counter[str] = Counter()
        self.given: list[str] = []
        """Every code and token that was given out."""
        self._codes: dict[str, dict[str, str]] = {}
        paths = {
            "/.well-known/openid-configuration": self._document,
            "/keys": self._keys,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
        }
        routes = [
            Route(path, self._watched(path, answer), methods=["GET", "POST"])
            for path, answer in paths.items()
        ]
        self.server = Server(Starlette(routes=routes), ServiceSettings(port=0, shutdown_seconds=1))
        self.url = self.server.url

    def _watched(self, path: str, answer: Answer) -> Answer:
        async def watched(request: Request) -> Response:
            self.asked[path] += 1
            made = self.broken.get(path, answer)(request)
            return await made if asyncio.iscoroutine(made) else made

        return watched

    def _document(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "ES256"],
                **self.told,
            }
        )

    def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.published]})

    def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == self.client_id
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe()
        self.given.append(code)
        self._codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.url})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 303)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        kind, _, both = request.headers["authorization"].partition(" ")
        name, _, secret = base64.b64decode(both).decode().partition(":")
        if (kind, unquote_plus(name), unquote_plus(secret)) != ("Basic", self.client_id, self.client_secret):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(form["code"], None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"] or not _proven(form, asked):
            return JSONResponse({"error": "invalid_grant", "error_description": "<b>no</b>"}, 400)
        token, access = self.id_token(asked["nonce"]), secrets.token_urlsafe()
        self.given += [token, access]
        return JSONResponse({"id_token": token, "access_token": access, "token_type": "Bearer"})

    def _userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"].removeprefix("Bearer ") in self.given
        return JSONResponse(self.person)

    def id_token(self, nonce: str) -> str:
        """One for the person, as it is told to be."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            **self.person,
            **self.more,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        registry = JWSRegistry(algorithms=ANY, strict_check_header=False)
        if isinstance(self.key, bytes):  # no library signs like that
            signed = f"{_text(json.dumps(self.header).encode())}.{_text(json.dumps(said).encode())}"
            digest = hmac.digest(self.key, signed.encode(), "sha256") if self.key else b""
            return f"{signed}.{_text(digest)}"
        return jwt.encode(self.header, said, self.key, registry=registry)


def _proven(form: dict[str, str], asked: dict[str, str]) -> bool:
    """Whether the verifier is the one of the challenge."""
    return _text(hashlib.sha256(form["code_verifier"].encode()).digest()) == asked["code_challenge"]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Desk:
    """The service with providers, and browsers of its own."""

    def __init__(self, desk: Any, idp: IdentityProvider, stack: AsyncExitStack) -> None:
        self.app = desk.app
        self.url = desk.url
        self.idp = idp
        self.open = desk.open
        self._stack = stack

    async def depart(self, browser: httpx2.AsyncClient, name: str = "acme", **query: str) -> httpx2.Response:
        """The answer to the button of a provider."""
        return await browser.get(f"/sign-in/openid/{name}", params=query)

    async def consent(self, departed: httpx2.Response) -> httpx2.URL:
        """Where the provider sends the browser back to."""
        assert departed.status_code == 303, departed.text
        async with httpx2.AsyncClient() as elsewhere:
            answer = await elsewhere.get(departed.headers["location"])
        assert answer.status_code == 303, answer.text
        return httpx2.URL(answer.headers["location"])

    async def sign_in(self, browser: httpx2.AsyncClient, name: str = "acme", **query: str) -> httpx2.Response:
        """All the way: the answer to the browser that came back."""
        return await browser.get(await self.consent(await self.depart(browser, name, **query)))

    async def audited(self, action: str) -> list[dict[str, Any]]:
        """The details of entries on the audit log, the oldest first."""
        entries = await self.app.audit.find(Filter(action=Action(action)))
        told = [entry.as_json() for entry in reversed(entries)]
        return [{"actor": one["actor"], "subject": one["subject"], **one["detail"]} for one in told]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
async def idp() -> AsyncIterator[IdentityProvider]:
    """A provider that behaves."""
    made = IdentityProvider()
    async with made.server:
        yield made


@pytest.fixture
async def other_idp() -> AsyncIterator[IdentityProvider]:
    """Another one, which knows the same address under another identity."""
    made = IdentityProvider()
    made.person["sub"] = "other-1"
    async with made.server:
        yield made


@pytest.fixture
def settings_of() -> Callable[..., dict[str, Any]]:
    """The settings of a provider."""

    def of(idp: IdentityProvider, **more: Any) -> dict[str, Any]:
        return {"issuer": idp.url, "client_id": CLIENT_ID, "client_secret_env": "ACME_SECRET", **more}

    return of


@pytest.fixture
async def desk_with(serve, idp, settings_of, monkeypatch):
    """Start a service; keywords are settings of its provider `acme`, `others` are further providers."""
    monkeypatch.setenv("ACME_SECRET", CLIENT_SECRET)
    async with AsyncExitStack() as stack:

        async def start(*, others=None, overrides=None, **more):
            port = free_port()
            providers = {"acme": settings_of(idp, **{"label": "Acme & Co", **more}), **(others or {})}
            given = {
                "service.port": port,
                "service.public_url": f"http://127.0.0.1:{port}",
                "access.openid": providers,
                "access.sign_in_attempts_per_minute": 1_000,
                **(overrides or {}),
            }
            return Desk(await serve(work=False, **given), idp, stack)

        yield start


@pytest.fixture
async def desk(desk_with) -> Desk:
    """A service with one provider that lets nobody in but those who were added."""
    return await desk_with()


@pytest.fixture
def both_urls(fresh_database_url: str) -> str:
    """A database with all tables, once of each kind."""
    database = Database(fresh_database_url)
    upgrade(database)
    database.close()
    return fresh_database_url


@pytest.fixture
def query_of() -> Callable[[str], dict[str, str]]:
    """What stands in the query of an address."""
    return lambda url: {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
