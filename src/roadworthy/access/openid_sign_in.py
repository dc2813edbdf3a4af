"""Signing in at a provider of OpenID Connect: a browser departs with an attempt, and arrives with a code.

Who arrives is known by issuer and subject. Before there is such a person, a verified address may be that of
somebody who was added, who is bound to the identity then, once; or the settings let them in (`admit`), with
the roles that they say. Everybody else stays outside, and that they were there is on the audit log.
"""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.access import session_store, store
from roadworthy.access.office import Note, about, checked_name
from roadworthy.access.openid import Attempt, Identity, Provider, Refused, Trouble
from roadworthy.access.openid import store as openid_store
from roadworthy.access.openid.store import Found, Standing
from roadworthy.access.principal import Grant, Principal, PrincipalKind
from roadworthy.access.records import Person, SignedIn
from roadworthy.access.role import Role
from roadworthy.access.sign_in import NewSession, SignIns, network_of
from roadworthy.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    StateConflict,
    TransportError,
    Unauthenticated,
)
from roadworthy.records import Json

_log = logging.getLogger("roadworthy.access")

ATTEMPT_SECONDS = 600
"""How long somebody may take at the provider."""
_OUTSIDE = (Standing.TAKEN, Standing.DISABLED)
_MOST_TURNS = 3


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser is sent, and what it has to bring back."""

    url: str
    cookie: str
    """Secret; nowhere on record."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """With what a browser comes back: its cookie, and what the provider put into the address."""

    cookie: str
    state: str
    code: str
    issuer: str | None = None


class OpenIdSignIns(SignIns):
    """Sign-ins, with links and at providers."""

    async def depart(self, name: str, return_to: str, *, address: str = "") -> Departure:
        """Send a browser to a provider; `return_to` is where it wants to be afterwards.

        Raises `NotFound`, `TooManySignIns`, `TransportError` when the provider cannot be used now.
        """
        provider = self._provider(name)
        if address:
            await self.throttle(f"openid:{network_of(address)}")
        attempt = Attempt.new()
        with _asking(provider):
            url = await provider.authorize(attempt)
        expires_at = self._office.clock.now_ms() + ATTEMPT_SECONDS * 1000
        await self._office.database.write(
            lambda tx: openid_store.add(tx, attempt.digest, name, return_to, expires_at)
        )
        return Departure(url, attempt.secret)

    async def arrive(self, name: str, arrival: Arrival, *, address: str = "") -> tuple[SignedIn, str]:
        """Begin a session for whoever the provider says it is; also says where the browser wanted to be.

        Raises `NotFound`, `TooManySignIns`, `TransportError`, `Unauthenticated` for what does not hold, in
        the same words for all of it, and `Forbidden` for somebody whom nobody let in.
        """
        provider = self._provider(name)
        if address:
            await self.throttle(f"address:{network_of(address)}")
        session = self._new_session()
        attempt = Attempt.of(arrival.cookie)
        if attempt is None or not attempt.began_with(arrival.state):
            raise await self._refuse_of(provider, "state")
        now_ms = self._office.clock.now_ms()
        return_to = await self._office.database.write(
            lambda tx: openid_store.take(tx, attempt.digest, name, session.id, now_ms)
        )
        if return_to is None:
            raise await self._refuse_of(provider, "used or too old")
        if not arrival.code:
            raise await self._refuse_of(provider, "the provider said no")
        try:
            with _asking(provider):
                identity = await provider.redeem(attempt, arrival.code, arrival.issuer)
        except Refused as refused:
            raise await self._refuse_of(provider, str(refused)) from None
        await self.throttle(f"identity:{identity.issuer} {identity.subject}")
        principal = await self._enter(provider, identity, session)
        return SignedIn(session.token, principal, session.expires_at), return_to

    async def farewell(self, person_id: str) -> tuple[str, str] | None:
        """Where somebody may sign out who signs in at a provider: its label and address; None for nowhere."""
        issuer = await self._office.database.read(lambda tx: openid_store.issuer_of(tx, person_id))
        for provider in self.providers.values():
            if provider.settings.issuer == issuer:
                try:
                    url = await provider.goodbye()
                except Trouble as trouble:
                    _tell(provider, trouble)
                    return None
                return None if url is None else (provider.label, url)
        return None

    async def close(self) -> None:
        """Wait for what is written behind requests, and close the connections to providers."""
        await self.settle()
        for provider in self.providers.values():
            await provider.close()

    async def _enter(self, provider: Provider, identity: Identity, session: NewSession) -> Principal:
        """A session for the person whom an identity belongs to, or is to belong to from now on."""
        found = await self._office.database.read(lambda tx: openid_store.whose(tx, identity))
        for _ in range(_MOST_TURNS):
            grants = _grants(provider, identity) if found.standing is Standing.STRANGER else ()
            if found.standing in _OUTSIDE or (found.standing is Standing.STRANGER and not grants):
                raise await self._stay_outside(provider, found)
            outcome = await self._begin(provider, identity, session, found, grants)
            if isinstance(outcome, Principal):
                return outcome
            found = outcome  # somebody changed it meanwhile
        raise StateConflict("This person is being changed.", hint="Sign in again.")

    async def _begin(
        self,
        provider: Provider,
        identity: Identity,
        session: NewSession,
        found: Found,
        grants: tuple[Grant, ...],
    ) -> Principal | Found:
        """The session's principal; or what an identity stands for, where that is another by now."""
        name = found.name or _name(provider, identity)
        person = Person(
            id=found.person_id or self._office.ids.new("person"),
            name=name,
            email=identity.email,
            created_at=self._office.clock.now_ms(),
        )
        notes = self._notes(provider, person, session, found.standing, grants)

        def begin(tx: sa.Connection) -> Principal | Found | None:
            begun = session_store.begun(tx, session.id)
            if begun is not None:
                return begun  # this ran before, and only the news of it got lost
            store.lock(tx)
            now = openid_store.whose(tx, identity)
            if now != found:
                return now
            if found.standing is Standing.STRANGER:
                store.add_person(tx, person)
                for grant in grants:
                    store.give(tx, person.id, grant, person.created_at)
            openid_store.bind(tx, person.id, identity)
            principal = session_store.begin(
                tx, session.id, session.digest, person.id, session.begins_at, session.expires_at
            )
            for note in notes if principal is not None else ():
                note(tx)
            return principal

        outcome = await self._office.database.write(begin)
        return Found(Standing.DISABLED, person.id) if outcome is None else outcome

    def _notes(
        self,
        provider: Provider,
        person: Person,
        session: NewSession,
        standing: Standing,
        grants: tuple[Grant, ...],
    ) -> list[Note]:
        by = Principal(PrincipalKind.PERSON, person.id, person.name)
        record = self._office.record
        source: dict[str, Json] = {"provider": provider.name}
        notes: list[Note] = []
        if standing is Standing.ADDED:
            notes.append(record("person.bound", person.id, by=by, detail=source))
        if standing is Standing.STRANGER:
            notes.append(record("person.added", person.id, by=by, detail=source))
            notes += [
                record("grant.given", person.id, by=by, detail={**about(grant), **source}) for grant in grants
            ]
        return [*notes, record("session.opened", session.id, by=by, detail=source)]

    def _provider(self, name: str) -> Provider:
        if name not in self.providers:
            raise NotFound("There is no such way to sign in.")
        return self.providers[name]

    async def _stay_outside(self, provider: Provider, found: Found) -> Forbidden:
        await self._note_refusal(provider, found.standing.value, found.person_id)
        return Forbidden(
            f"{provider.label} knows you, but nobody has let you in here.",
            hint="Ask an owner of the project to add you.",
        )

    async def _refuse_of(self, provider: Provider, why: str) -> Unauthenticated:
        await self._note_refusal(provider, why)
        return Unauthenticated("This sign-in is unknown, used or too old.", hint="Start it again.")

    async def _note_refusal(self, provider: Provider, why: str, person_id: str = "") -> None:
        detail: dict[str, Json] = {"why": why, "provider": provider.name}
        await self._office.database.write(
            self._office.record("sign_in.refused", person_id, by=None, refused=True, detail=detail)
        )


def _grants(provider: Provider, identity: Identity) -> tuple[Grant, ...]:
    """What the settings give to somebody with this identity at their first sign-in; nothing for nobody."""
    domain = (identity.email or "").rpartition("@")[2]
    fitting = [
        rule
        for rule in provider.settings.admit
        if (rule.group is not None and rule.group in identity.groups)
        or (rule.email_domain is not None and rule.email_domain == domain)
    ]
    given = [Grant(Role(rule.role), rule.workflow or "", rule.tenant) for rule in fitting]
    return tuple(dict.fromkeys(given))


def _name(provider: Provider, identity: Identity) -> str:
    for name in (identity.name, identity.email or ""):
        try:
            return checked_name(name)
        except InvalidInput:
            continue  # a provider lets people call themselves what they like
    return f"Somebody of {provider.label}"


@contextmanager
def _asking(provider: Provider) -> Generator[None]:
    """Tell the operator what is wrong with a provider, and everybody else that it cannot be used now."""
    try:
        yield
    except Trouble as trouble:
        _tell(provider, trouble)
        raise TransportError(
            f"Signing in with {provider.label} does not work at the moment.",
            hint="Try again later, or ask an owner of the project for a sign-in link.",
        ) from None


def _tell(provider: Provider, trouble: Trouble) -> None:
    _log.warning("the sign-in provider %r %s", provider.name, trouble)
