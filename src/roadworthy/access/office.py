"""What the three parts of `Access` share: what the app hands in, writes behind a request, checked names."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from roadworthy.access.openid import Provider
from roadworthy.access.principal import Grant, Principal
from roadworthy.access.role import Role
from roadworthy.db import Database
from roadworthy.errors import DatabaseError, Forbidden, InvalidInput
from roadworthy.records import Clock, Ids, Json
from roadworthy.settings import AccessSettings

_log = logging.getLogger("roadworthy.access")

_LONGEST_NAME = 200
_LONGEST_EMAIL = 320

Note = Callable[[sa.Connection], None]
"""Stores an audit entry in a transaction; the last thing in it. The entry itself is made before."""


class Record(Protocol):
    """How the app makes an audit entry: of an action, by somebody; None is somebody unknown."""

    def __call__(
        self,
        action: str,
        subject: str = "",
        *,
        by: Principal | None,
        refused: bool = False,
        detail: Mapping[str, Json] | None = None,
    ) -> Note:
        """The note to be called in the transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Office:
    """What access is handed by the app."""

    database: Database
    clock: Clock
    ids: Ids
    settings: AccessSettings
    record: Record
    providers: Mapping[str, Provider]
    """Of OpenID Connect, by their names in the settings and in that order."""


class Desk:
    """A part of `Access`."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._writing: set[asyncio.Task[None]] = set()

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Where people sign in beside the links."""
        return self._office.providers

    async def settle(self) -> None:
        """Wait until what is written behind requests is stored."""
        while self._writing:
            await asyncio.wait(self._writing)

    def _write_behind(self, work: Callable[[sa.Connection], None]) -> None:
        """Store something that no request waits for, and that is no loss when it cannot be stored."""
        task = asyncio.create_task(self._write(work))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, work: Callable[[sa.Connection], None]) -> None:
        try:
            await self._office.database.write(work)
        except DatabaseError as error:
            _log.warning("when somebody was last here was not stored", exc_info=error)


def manage_everything(by: Principal) -> None:
    """Raise `Forbidden` unless somebody manages access everywhere: people are not of one tenant."""
    if not by.may_give(Grant(Role.OWNER)):
        raise Forbidden(f"{by.name!r} may not do this: only an owner of everything may.")


def checked_name(text: str) -> str:
    """A name, as it is stored. Raises `InvalidInput` for what could steer a terminal or hide in a list."""
    name = text.strip()
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInput(f"A name has 1 to {_LONGEST_NAME} printable characters, on one line.")
    return name


def checked_email(text: str | None) -> str | None:
    """An address, as it is stored: in lower case. Raises `InvalidInput`."""
    if text is None:
        return None
    email = text.strip().lower()
    local, _, domain = email.rpartition("@")
    plain = email.isprintable() and " " not in email and len(email) <= _LONGEST_EMAIL
    if not local or not domain or "@" in local or not plain:
        raise InvalidInput("This is not an email address.", hint="For example maria@example.org.")
    return email


def about(grant: Grant) -> dict[str, Json]:
    """What the audit says of a grant."""
    return {"role": grant.role.value, "workflow": grant.workflow, "tenant": grant.tenant}
