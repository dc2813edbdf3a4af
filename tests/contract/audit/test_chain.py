"""The chain in both databases: nothing is lost, nothing forks, and whatever is changed is found."""

import asyncio
import json
import threading
from contextlib import suppress

import pytest
import sqlalchemy as sa

from roadworthy.audit import Action, Actor, ActorKind, Filter, Head, Outcome, acting, store, verify_file
from roadworthy.audit.entry import COLUMNS
from roadworthy.db import Database
from roadworthy.db.tables.audit import audit_entries
from roadworthy.errors import ConfigurationError, DatabaseError, InvalidInput, NotFound

KEY = b"k" * 32
MARIA = Actor(ActorKind.PERSON, "person_1", "Maria", "req_1")


async def fill(log, count: int) -> None:
    """Append so many entries."""
    for number in range(1, count + 1):
        await log.audit.record(Action.RUN_CANCELLED, f"run_{number}", workflow="w", tenant="t")


async def test_an_entry_says_who_did_what(log):
    """Every field, and the newest entry comes first."""
    with acting(MARIA):
        await log.audit.record(
            Action.RUN_CANCELLED, "run_1", workflow="w", tenant="t", detail={"was": "dead"}
        )
    await log.audit.record(Action.REQUEST_REFUSED, outcome=Outcome.REFUSED, actor=Actor(ActorKind.ANONYMOUS))
    second, first = await log.audit.find(Filter())
    assert (first.seq, first.actor_kind, first.actor, first.actor_name, first.request_id) == (
        1,
        "person",
        "person_1",
        "Maria",
        "req_1",
    )
    assert (first.action, first.subject, first.workflow, first.tenant) == ("run.cancelled", "run_1", "w", "t")
    assert (first.outcome, first.environment, first.at) == ("done", "test", log.clock.now_ms())
    assert first.as_json()["detail"] == {"was": "dead"}
    assert (second.seq, second.actor_kind, second.outcome) == (2, "anonymous", "refused")
    assert second.prev_hash == first.hash
    assert await log.audit.get(1) == await log.audit.get(first.id) == first
    with pytest.raises(NotFound):
        await log.audit.get(3)


async def test_a_list_is_filtered_and_goes_on_where_a_page_ended(log):
    """By action or their beginning, by who acted, and by keyset."""
    await fill(log, 5)
    with acting(MARIA):
        await log.audit.record(Action.REVIEW_ANSWERED, "review_1")
        await log.audit.record(Action.REVIEW_DECLINED, "review_2", tenant="other")
    find = log.audit.find
    assert [one.seq for one in await find(Filter(action="review."))] == [7, 6]
    assert [one.seq for one in await find(Filter(actor="Maria"))] == [7, 6]
    assert [one.seq for one in await find(Filter(action="run.cancelled"), limit=2)] == [5, 4]
    assert [one.seq for one in await find(Filter(action="run.cancelled"), limit=2, after=4)] == [3, 2]
    assert [one.seq for one in await find(Filter(subject="run_3"))] == [3]
    assert [one.seq for one in await find(Filter(), visible=audit_entries.c.tenant == "other")] == [7]
    assert await find(Filter(before_ms=log.clock.now_ms())) == []


async def test_text_that_a_database_does_not_take_is_stored_and_verified_all_the_same(log):
    """NUL, half characters, no end, and a secret that was registered."""
    log.scrubber.register("hunter2-hunter2")
    await log.audit.record(
        Action.RUN_SIGNALLED,
        "run_\x00\ud800" + "x" * 9000,
        detail={"name": "hunter2-hunter2", "deep": [{"\x00": "\ud800"}]},
    )
    (entry,) = await log.audit.find(Filter())
    assert "hunter2" not in json.dumps(entry.as_json())
    assert len(entry.subject) == 300
    assert (await log.audit.verify()).ok


async def test_an_entry_goes_with_the_transaction_that_it_tells_of(log):
    """What is undone leaves no entry and no gap; what runs twice leaves one entry."""
    await fill(log, 2)
    entry = log.audit.entry(Action.RUN_CANCELLED, "run_9")

    def undone(tx):
        log.audit.append(tx, entry)
        raise InvalidInput("undone")

    with pytest.raises(InvalidInput):
        await log.database.write(undone)
    for _ in range(2):
        await log.database.write(lambda tx: log.audit.append(tx, entry))
    assert [one.subject for one in await log.audit.find(Filter())] == ["run_9", "run_2", "run_1"]
    assert (await log.audit.verify()).entries == 3


async def test_appends_at_once_neither_fork_nor_leave_gaps(log, fresh_database_url):
    """Programs of their own, some of whose transactions are undone in the middle."""
    barrier, errors = threading.Barrier(8), []

    def work(tx, entry, one):
        log.audit.append(tx, entry)
        if one % 5 == 4:
            raise InvalidInput("undone")

    def program(number):
        database = Database(fresh_database_url)
        try:
            barrier.wait()
            for one in range(25):
                entry = log.audit.entry(Action.RUN_CANCELLED, f"run_{number}_{one}")

                with suppress(InvalidInput):
                    database.write_now(lambda tx, entry=entry, one=one: work(tx, entry, one))
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=program, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert errors == []
    found = await log.audit.verify()
    assert (found.fault, found.entries) == ("", 8 * 20)


@pytest.mark.parametrize("key", [None, KEY])
async def test_a_change_of_any_column_is_found(log, key):
    """With a key and without one; put back as it was, the entry fits again."""
    log.audit = log.with_keys(key)
    await fill(log, 5)
    before = log.database.read_now(lambda tx: store.page(tx, 2, 3))[0]
    for column in [name for name in COLUMNS if name != "seq"]:
        log.tamper(f"UPDATE audit_entries SET {column} = '7' WHERE seq = 3")
        found = await log.audit.verify()
        assert (column, found.entries, found.fault[:8]) == (column, 2, "Entry 3 ")
        log.tamper(f"UPDATE audit_entries SET {column} = '{before[column]}' WHERE seq = 3")
    assert (await log.audit.verify()).ok


async def test_a_forged_hash_is_found(log):
    """Both that of the entry and, where it was made well, at the one behind it."""
    await fill(log, 5)
    log.tamper("UPDATE audit_entries SET hash = 'no hash' WHERE seq = 3")
    assert (await log.audit.verify()).fault == "Entry 3 was changed."
    values = log.database.read_now(lambda tx: store.page(tx, 2, 3))[0] | {"actor": "mallory"}
    forged = log.audit.keyring.hash(values)
    log.tamper(f"UPDATE audit_entries SET actor = 'mallory', hash = '{forged}' WHERE seq = 3")
    fault = (await log.audit.verify()).fault
    assert fault == "Entry 4 does not follow entry 3: one of the two was replaced."


@pytest.mark.parametrize(
    ("gone", "fault"),
    [
        ("seq = 1", "Entry 1 is missing."),
        ("seq = 3", "Entry 3 is missing."),
        ("seq IN (2, 3, 4)", "Entries 2 to 4 are missing."),
        (
            "seq > 3",
            "The chain was cut at the end: its head is entry 5, and the last one on record is entry 3.",
        ),
        (
            "seq > 0",
            "The chain was cut at the end: its head is entry 5, and the last one on record is entry 0.",
        ),
    ],
)
async def test_what_is_deleted_is_missed(log, gone, fault):
    """At the start, in the middle and at the end."""
    await fill(log, 5)
    log.tamper(f"DELETE FROM audit_entries WHERE {gone}")
    assert (await log.audit.verify()).fault == fault


async def test_a_number_that_is_given_to_another_place_is_found(log):
    """Moving an entry leaves a gap."""
    await fill(log, 5)
    log.tamper("UPDATE audit_entries SET seq = 9 WHERE seq = 4")
    assert (await log.audit.verify()).fault == "Entry 4 is missing."


async def test_an_end_that_was_cut_together_with_its_head_shows_against_a_head_kept_elsewhere(log):
    """The table alone cannot tell; neither can it when everything was written anew."""
    await fill(log, 5)
    kept = Head.parse(str(await log.audit.head()))
    earlier = (await log.audit.get(3)).hash
    log.tamper(
        "DELETE FROM audit_entries WHERE seq > 3", f"UPDATE audit_heads SET seq = 3, hash = '{earlier}'"
    )
    assert (await log.audit.verify()).ok
    fault = (await log.audit.verify(kept=kept)).fault
    assert fault == "The chain ends at entry 3, before the head that was kept (5)."
    await fill(log, 2)
    fault = (await log.audit.verify(kept=kept)).fault
    assert fault == "Entry 5 is another one than the head that was kept says: the log was written anew."


async def test_a_head_that_does_not_fit_is_found(log):
    """Somebody changed the head only, or added an entry behind it."""
    await fill(log, 2)
    log.tamper("UPDATE audit_heads SET hash = 'x'", table="audit_heads")
    assert (await log.audit.verify()).fault == "The head does not match entry 2."


async def test_the_database_refuses_every_change(log):
    """Triggers, as far as somebody does not take them off."""
    await fill(log, 2)
    statements = [
        "UPDATE audit_entries SET actor = 'x' WHERE seq = 1",
        "DELETE FROM audit_entries WHERE seq = 2",
        "DELETE FROM audit_entries",
    ]
    columns = ", ".join(COLUMNS)
    if log.database.is_sqlite:
        statements.append(
            f"INSERT OR REPLACE INTO audit_entries ({columns}) SELECT {columns} FROM audit_entries"
        )
    else:
        statements.append("TRUNCATE audit_entries")
    for statement in statements:
        with pytest.raises(DatabaseError):
            log.database.write_now(lambda tx, text=statement: tx.execute(sa.text(text)).rowcount)
    assert (await log.audit.verify()).entries == 2


async def test_a_chain_without_a_key_can_be_made_anew_and_one_with_a_key_cannot(signed):
    """Whoever may write to the database but has no key gets no entry past `verify`."""
    await fill(signed, 3)
    found = await signed.audit.verify()
    assert (found.ok, found.signed_from) == (True, 1)
    plain = signed.with_keys()
    with pytest.raises(ConfigurationError, match="signed"):
        await plain.record(Action.RUN_CANCELLED)
    signed.tamper("DELETE FROM audit_entries", "UPDATE audit_heads SET seq = 0, hash = '', key_id = ''")
    for _ in range(3):
        await plain.record(Action.RUN_CANCELLED)
    assert (await plain.verify()).ok
    fault = (await signed.audit.verify()).fault
    assert fault == "Entry 3, the newest, is not signed, and a key is configured."
    await signed.audit.record(Action.RUN_CANCELLED)
    assert (await signed.audit.verify()).signed_from == 4


async def test_an_unsigned_entry_behind_a_signed_one_is_a_fault(signed):
    """Taking the key away cannot be used to go on without it."""
    await fill(signed, 2)
    signed.tamper("UPDATE audit_heads SET key_id = ''", table="audit_heads")
    await signed.with_keys().record(Action.RUN_CANCELLED)
    assert (await signed.audit.verify()).fault == "Entry 3 is not signed, and those before it are."


async def test_a_key_can_be_changed_while_the_old_one_still_verifies(signed):
    """Entries say which key signed them; a key that is not at hand is told by its id."""
    await fill(signed, 2)
    after = signed.with_keys(b"n" * 32, (KEY,))
    await after.record(Action.RUN_CANCELLED)
    assert (await after.verify()).entries == 3
    fault = (await signed.with_keys(b"n" * 32).verify()).fault
    assert fault == f"Entry 1 is signed with the key {(await after.get(1)).key_id!r}, which is not at hand."


async def test_an_export_is_verified_by_itself(signed, tmp_path):
    """Line by line, with the key and the head; a line that was changed, cut or is none is found."""
    await fill(signed, 5)
    file, ring = tmp_path / "audit.jsonl", signed.audit.keyring
    until = await signed.audit.export(file)
    assert until.seq == 6
    found = verify_file(file, ring, kept=until)
    assert (found.ok, found.entries, found.head.hash) == (True, 6, until.hash)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:3] + lines[4:]))
    assert verify_file(file, ring).fault == "Entry 4 is missing."
    file.write_text("".join(lines[:5]))
    assert verify_file(file, ring).ok
    assert "before the head that was kept (6)" in verify_file(file, ring, kept=until).fault
    file.write_text(lines[0] + lines[1].replace("run_2", "run_3"))
    assert verify_file(file, ring).fault == "Entry 2 was changed."
    file.write_text(lines[0] + "no entry\n")
    with pytest.raises(InvalidInput, match="Line 2"):
        verify_file(file, ring)
    with pytest.raises(FileExistsError):
        await signed.audit.export(file)
