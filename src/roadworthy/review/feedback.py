"""What end users say of an output: a rating, a comment, a correction; by a signed link or through the API.

A link names one call or run, how it is rated and until when, signed with a secret of the instance: whoever
has it can rate that and nothing else. It counts once; sent again before it expires, it replaces the former.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from roadworthy.audit import Action, Audit
from roadworthy.db import Database, insert_once, pack, unpack
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.feedback import feedback as table
from roadworthy.db.tables.feedback import instance_secrets
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.records import Clock, Ids, Json, iso

LONGEST_TEXT = 10_000
"""Of a comment, in characters."""
_SECRET_NAME = "feedback"  # noqa: S105 - the name of a row
_SIGNATURE_BYTES = 16
_DAY_MS = 86_400_000
_KNOWN = ("environment", "workflow", "tenant", "user_id", "prompt_id", "prompt_version")
_INSERT = insert_once(table, *table.c.keys())


class Scale(StrEnum):
    """How an output is rated."""

    THUMBS = "thumbs"
    """-1 or 1."""
    STARS = "stars"
    """1 to 5."""

    @property
    def ratings(self) -> tuple[int, ...]:
        """What may be given."""
        return (-1, 1) if self is Scale.THUMBS else (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is rated: one call, or one run."""

    id: str
    scale: Scale = Scale.THUMBS
    expires_at: int = 0

    @property
    def is_run(self) -> bool:
        """Whether it is a run."""
        return self.id.startswith("run_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody said of an output."""

    id: str
    subject: Subject
    rating: int | None = None
    comment: str = ""
    correction: Json = None
    """What the output should have been."""
    user_id: str = ""
    """Which end user said so, as the caller knows them."""
    by: str = ""
    """`link`, or the id of whoever called the API."""

    def check(self) -> None:
        """Raise `InvalidInput` for what says nothing, or too much."""
        if self.rating is None and not self.comment and self.correction is None:
            raise InvalidInput("Feedback has a rating, a comment or a correction.")
        if self.rating is not None and self.rating not in self.subject.scale.ratings:
            allowed = ", ".join(map(str, self.subject.scale.ratings))
            raise InvalidInput(f"A rating by {self.subject.scale.value} is one of {allowed}.")
        if len(self.comment) > LONGEST_TEXT:
            raise InvalidInput(f"A comment has at most {LONGEST_TEXT} characters.")


Visible = Callable[[sa.ColumnElement[str], sa.ColumnElement[str]], sa.ColumnElement[bool]]


class Feedbacks:
    """Links, and what comes back by them."""

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, environment: str, *, audit: Audit, address: str
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._environment = environment
        self._audit = audit
        self._address = address.rstrip("/")
        self._secret: bytes | None = None

    async def link(self, subject_id: str, *, scale: Scale = Scale.THUMBS, days: float = 30) -> str:
        """An address at which whoever has it can rate this call or run, and correct its output."""
        if not subject_id.startswith(("call_", "run_")):
            raise InvalidInput(f"{subject_id!r} is neither a call nor a run.")
        expires_at = self._clock.now_ms() + int(days * _DAY_MS)
        named = f"{subject_id}.{scale.value}.{expires_at}"
        return f"{self._address}/f/{_encoded(named.encode() + await self._signature(named))}"

    async def subject(self, token: str) -> Subject:
        """What a link names. Raises `NotFound`, in the same words whatever is wrong with it."""
        raw = _decoded(token)
        named, signature = raw[:-_SIGNATURE_BYTES].decode("ascii", "replace"), raw[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(await self._signature(named), signature):
            raise no_link()
        subject_id, scale, expires_at = named.split(".")
        if int(expires_at) <= self._clock.now_ms():
            raise no_link()
        return Subject(subject_id, Scale(scale), int(expires_at))

    async def give_by_link(
        self, token: str, *, rating: int | None, comment: str = "", correction: str = ""
    ) -> None:
        """Store what somebody with a link says. Raises `NotFound`, `InvalidInput`."""
        subject = await self.subject(token)
        digest = hashlib.sha256(f"{subject.id}.{subject.scale}.{subject.expires_at}".encode()).hexdigest()
        said = Feedback(
            id=f"feedback_{digest[:32]}",
            subject=subject,
            rating=rating,
            comment=comment,
            correction=correction or None,
            by="link",
        )
        await self._store(said, visible=None)

    async def give(self, said: Feedback, *, visible: Visible | None = None) -> str:
        """Store it; returns its id. Raises `InvalidInput`, and `NotFound` for what is not `visible`."""
        made = replace(said, id=self._ids.new("feedback"))
        await self._store(made, visible=visible)
        return made.id

    async def find(
        self, *, subject_id: str | None, visible: Visible, limit: int, after: str | None = None
    ) -> list[dict[str, Json]]:
        """What was said, newest first, with comment and correction."""
        query = sa.select(table).where(
            table.c.environment == self._environment, visible(table.c.workflow, table.c.tenant)
        )
        if subject_id is not None:
            column = table.c.run_id if subject_id.startswith("run_") else table.c.call_id
            query = query.where(column == subject_id)
        place = sa.tuple_(table.c.created_at, table.c.id)
        if after is not None:
            last = sa.select(table.c.created_at, table.c.id).where(table.c.id == after)
            query = query.where(place < last.scalar_subquery())
        query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
        return await self._database.read(lambda tx: [_shown(row) for row in tx.execute(query).mappings()])

    async def _store(self, said: Feedback, *, visible: Visible | None) -> None:
        said.check()
        now_ms = self._clock.now_ms()
        entry = self._audit.entry(Action.FEEDBACK_GIVEN, said.subject.id, detail={"rating": said.rating})
        words: Json = {"comment": said.comment, "correction": said.correction}

        def store(tx: sa.Connection) -> None:
            known = self._known(tx, said.subject, visible)
            values = {
                **known,
                "id": said.id,
                "by": said.by,
                "scale": said.subject.scale.value,
                "rating": said.rating,
                "created_at": now_ms,
                "said": pack(words) if said.comment or said.correction is not None else None,
            }
            if said.user_id:
                values["user_id"] = said.user_id
            tx.execute(sa.delete(table).where(table.c.id == said.id))
            _INSERT.run(tx, **values)
            self._audit.append(
                tx, replace(entry, workflow=str(known["workflow"]), tenant=str(known["tenant"]))
            )

        await self._database.write(store)

    def _known(self, tx: sa.Connection, subject: Subject, visible: Visible | None) -> dict[str, Json]:
        """What the record says of the call or run. Raises `NotFound`."""
        source = runs if subject.is_run else calls
        query = sa.select(source).where(source.c.id == subject.id)
        if visible is not None:
            query = query.where(visible(source.c.workflow, source.c.tenant))
        row = tx.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"There is no {'run' if subject.is_run else 'call'} {subject.id!r}.")
        named: dict[str, Json] = {name: row.get(name, "") for name in _KNOWN}
        own: dict[str, Json] = (
            {"run_id": subject.id, "call_id": None}
            if subject.is_run
            else {"run_id": row["run_id"], "call_id": subject.id}
        )
        return {**named, **own}

    async def _signature(self, named: str) -> bytes:
        if self._secret is None:
            new, now_ms = os.urandom(32), self._clock.now_ms()
            self._secret = await self._database.write(lambda tx: _instance_secret(tx, new, now_ms))
        return hmac.digest(self._secret, named.encode(), "sha256")[:_SIGNATURE_BYTES]


def no_link() -> NotFound:
    """That a link is not, or no longer, good."""
    return NotFound("This link is unknown or no longer valid.")


def delete_before(tx: sa.Connection, created_before: int, said_before: int) -> None:
    """Delete what is old, and the words of what is less old."""
    tx.execute(sa.delete(table).where(table.c.created_at < created_before))
    words = table.c.said.is_not(None) & (table.c.created_at < said_before)
    tx.execute(sa.update(table).where(words).values(said=None))


def _instance_secret(tx: sa.Connection, new: bytes, now_ms: int) -> bytes:
    insert_once(instance_secrets, "name", "secret", "created_at").run(
        tx, name=_SECRET_NAME, secret=new, created_at=now_ms
    )
    query = sa.select(instance_secrets.c.secret).where(instance_secrets.c.name == _SECRET_NAME)
    return bytes(tx.execute(query).scalar_one())


def _shown(row: sa.RowMapping) -> dict[str, Json]:
    words = unpack(row["said"]) if row["said"] is not None else None
    said: dict[str, Json] = words if isinstance(words, dict) else {}
    plain = ("id", "call_id", "run_id", *_KNOWN[1:], "by", "scale", "rating")
    return {
        **{name: row[name] for name in plain},
        "created_at": iso(row["created_at"]),
        "comment": said.get("comment", ""),
        "correction": said.get("correction"),
    }


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(token: str) -> bytes:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise no_link() from None
    if _encoded(raw) != token:  # the bits of the last character that stand for nothing are part of the link
        raise no_link()
    return raw
