"""Signing in: a link is used once and begins a session; a session ends when it is idle, old, or ended.

How often signing in is tried is counted by the minute, for an address and for a person, before anything else
is looked at; the count stays when the try is refused.
"""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.access import secret as secrets
from roadworthy.access import session_store, store
from roadworthy.access.office import Desk, Office, about, manage_everything
from roadworthy.access.principal import Grant, Principal
from roadworthy.access.records import Link, Person, SignedIn
from roadworthy.access.role import Role
from roadworthy.access.secret import SecretKind
from roadworthy.db.tables.access import sessions
from roadworthy.errors import Forbidden, StateConflict, TooManySignIns, Unauthenticated

_WINDOW_SECONDS = 60
_SEEN_EVERY_MS = 60_000
_IPV6_NETWORK_BITS = 64
_TIDY_SECONDS = 3_600.0
_FIRST_OWNER = "Owner"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be begun, always with a token that nobody has had before."""

    id: str
    token: str
    digest: str
    begins_at: int
    expires_at: int


class SignIns(Desk):
    """Links and sessions."""

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._idle_ms = int(office.settings.session_idle_seconds * 1000)
        self._seen_every_ms = min(_SEEN_EVERY_MS, self._idle_ms // 4)
        self._tidied: float | None = None

    async def last_link(self, by: Principal, person_id: str) -> int:
        """Until when the newest link of a person holds, or held; 0 without any. Raises `Forbidden`."""
        manage_everything(by)
        return await self._office.database.read(lambda tx: session_store.last_link(tx, person_id))

    async def link(self, by: Principal, person_id: str, *, last: int | None = None) -> Link:
        """A link that signs this person in, once; earlier ones are good for nothing any more.

        Whoever may ask twice for the same link gives what `last_link` said before: the second time raises
        `StateConflict`. Raises `NotFound`, `Forbidden`.
        """
        manage_everything(by)
        link = self._new_link(person_id)
        digest = secrets.fingerprint(link.secret)
        note = self._office.record("link.made", person_id, by=by)

        def make(tx: sa.Connection) -> None:
            store.lock(tx)
            store.person(tx, person_id)
            if last is not None and session_store.last_link(tx, person_id, but=digest) != last:
                raise StateConflict(
                    "A link was made for this person in the meantime, and it is shown once only.",
                    hint="If nobody has it, load the person's page again and make another.",
                )
            self._add_link(tx, link)
            note(tx)

        await self._office.database.write(make)
        return link

    async def first_link(self, by: Principal) -> Link | None:
        """The link of a project's first owner; None once an owner has ever signed in."""
        new = Person(
            id=self._office.ids.new("person"), name=_FIRST_OWNER, created_at=self._office.clock.now_ms()
        )
        owner, secret = Grant(Role.OWNER), secrets.make(SecretKind.LINK)
        added = self._office.record("person.added", new.id, by=by)
        given = self._office.record("grant.given", new.id, by=by, detail=about(owner))
        made = self._office.record("link.made", by=by)

        def make(tx: sa.Connection) -> Link | None:
            store.lock(tx)
            if store.owner_was_here(tx):
                return None
            there = store.owners(tx)
            if not there:
                store.add_person(tx, new)
                store.give(tx, new.id, owner, new.created_at)
            link = self._new_link(there[0].id if there else new.id, secret)
            self._add_link(tx, link)
            for note in [made] if there else [added, given, made]:
                note(tx)
            return link

        return await self._office.database.write(make)

    async def sign_in(self, token: str, *, address: str = "") -> SignedIn:
        """Begin a session with the secret of a link. `address` is where it comes from.

        Raises `Unauthenticated` in the same words for a link that is unknown, used or too old;
        `TooManySignIns`.
        """
        if address:
            await self.throttle(f"address:{network_of(address)}")
        digest, by = secrets.fingerprint(token), None
        if secrets.well_formed(token, SecretKind.LINK):
            by = await self._office.database.read(lambda tx: session_store.person_of_link(tx, digest))
        if by is None:
            raise await self._refuse("")
        person_id = by.id
        await self.throttle(f"person:{person_id}", person_id)
        session = self._new_session()
        note = self._office.record("session.opened", session.id, by=by)

        def begin(tx: sa.Connection) -> Principal | None:
            if not session_store.use_link(tx, digest, session.id, session.begins_at):
                return None
            begun = session_store.begin(
                tx, session.id, session.digest, person_id, session.begins_at, session.expires_at
            )
            if begun is not None:
                note(tx)
            return begun

        principal = await self._office.database.write(begin)
        if principal is None:
            raise await self._refuse(person_id)
        return SignedIn(session.token, principal, session.expires_at)

    async def session(self, token: str) -> Principal:
        """Whose session it is. Raises `Unauthenticated`. It is read anew each time: an end holds at once."""
        if not secrets.well_formed(token, SecretKind.SESSION):
            raise _signed_out()
        now_ms, digest = self._office.clock.now_ms(), secrets.fingerprint(token)
        found = await self._office.database.read(
            lambda tx: session_store.find(tx, digest, now_ms, self._idle_ms)
        )
        if found is None or not hmac.compare_digest(found.hash, digest):
            raise _signed_out()
        if now_ms - found.last_seen_at >= self._seen_every_ms:
            self._write_behind(lambda tx: session_store.seen(tx, found.id, found.principal.id, now_ms))
        return found.principal

    async def sign_out(self, token: str) -> None:
        """End a session. Raises `Unauthenticated` when it has ended already."""
        principal = await self.session(token)
        now_ms = self._office.clock.now_ms()
        note = self._office.record("session.closed", principal.session_id, by=principal)

        def end(tx: sa.Connection) -> None:
            if session_store.end(tx, sessions.c.id == principal.session_id, now_ms):
                note(tx)

        await self._office.database.write(end)

    def csrf_token(self, token: str) -> str:
        """What a form of this session carries; made from the session's own secret, which no page shows."""
        return hmac.digest(token.encode(), b"roadworthy csrf 1", "sha256").hex()

    def check_csrf(self, token: str, given: str) -> None:
        """Raise `Forbidden` unless a form came from a page of this session."""
        if not hmac.compare_digest(self.csrf_token(token).encode(), given.encode(errors="replace")):
            raise Forbidden("This form is not from your session.", hint="Load the page again, and repeat it.")

    async def throttle(self, bucket: str, subject: str = "") -> None:
        """Count a try to sign in from here or for this person. Raises `TooManySignIns`.

        Counted by the clock's minutes: over the turn of one, twice as many may come together.
        """
        now_ms, limit = self._office.clock.now_ms(), self._office.settings.sign_in_attempts_per_minute
        window = now_ms // (_WINDOW_SECONDS * 1000)
        # of any length and content, and not to be read back from the table at a glance
        name = hashlib.sha256(bucket.encode(errors="replace")).hexdigest()
        note = self._office.record(
            "sign_in.refused", subject, by=None, refused=True, detail={"why": "too many", "limit": limit}
        )

        def count(tx: sa.Connection) -> int:
            tried = session_store.count_attempt(tx, name, window)
            if tried == limit + 1:  # once a minute: whoever is refused cannot fill the log
                note(tx)
            return tried

        if await self._office.database.write(count) > limit:
            left = _WINDOW_SECONDS - now_ms / 1000 % _WINDOW_SECONDS
            raise TooManySignIns(
                "Signing in was tried too often.",
                retry_after_seconds=left,
                hint=f"Try again in {int(left) + 1} seconds.",
            )

    async def tidy(self) -> None:
        """Delete sessions, links and counts that are over for long; hourly, however often it is called."""
        now = self._office.clock.monotonic()
        if self._tidied is not None and now - self._tidied < _TIDY_SECONDS:
            return
        self._tidied = now
        now_ms = self._office.clock.now_ms()
        window = now_ms // (_WINDOW_SECONDS * 1000)
        await self._office.database.write(lambda tx: session_store.tidy(tx, now_ms, window))

    def _new_session(self) -> "NewSession":
        now_ms, token = self._office.clock.now_ms(), secrets.make(SecretKind.SESSION)
        expires_at = now_ms + int(self._office.settings.session_seconds * 1000)
        return NewSession(
            self._office.ids.new("session"), token, secrets.fingerprint(token), now_ms, expires_at
        )

    def _new_link(self, person_id: str, secret: str | None = None) -> Link:
        lasts_ms = int(self._office.settings.link_seconds * 1000)
        return Link(
            secret or secrets.make(SecretKind.LINK), person_id, self._office.clock.now_ms() + lasts_ms
        )

    def _add_link(self, tx: sa.Connection, link: Link) -> None:
        now_ms, digest = self._office.clock.now_ms(), secrets.fingerprint(link.secret)
        session_store.add_link(tx, digest, link.person_id, now_ms, link.expires_at)

    async def _refuse(self, person_id: str) -> Unauthenticated:
        await self._office.database.write(
            self._office.record("sign_in.refused", person_id, by=None, refused=True, detail={"why": "link"})
        )
        return Unauthenticated(
            "This sign-in link is unknown, used or too old.", hint="Ask an owner of the project for another."
        )


def network_of(address: str) -> str:
    """Where an address belongs: a host of IPv6 has a whole network of addresses to try from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_NETWORK_BITS), strict=False))
    return str(found)


def _signed_out() -> Unauthenticated:
    return Unauthenticated("You are not signed in, or the session has ended.", hint="Sign in again.")
