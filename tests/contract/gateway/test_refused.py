"""A keyed request whose answer the database refuses: what it cost is settled once, and the key is free."""

from random import Random

import openai
import pytest
import sqlalchemy as sa

from roadworthy.testing.simulated import Reply

ASKED = {"model": "default", "messages": [{"role": "user", "content": "Where is it?"}], "max_tokens": 20_000}
BUDGET = {"daily": {"scope": "environment", "per_day_usd": 1}}
KEYED = {"Idempotency-Key": "order-17"}

REFUSE = {
    "sqlite": (
        """CREATE TRIGGER no_answers BEFORE UPDATE ON gateway_answers WHEN NEW.answer IS NOT NULL
           BEGIN SELECT RAISE(ABORT, 'no answers'); END""",
        "DROP TRIGGER no_answers",
    ),
    "postgresql": (
        "ALTER TABLE gateway_answers ADD CONSTRAINT no_answers CHECK (answer IS NULL)",
        "ALTER TABLE gateway_answers DROP CONSTRAINT no_answers",
    ),
}


async def ask(gateway, **options):
    """One request under the key; a stream is read to its end."""
    said = await gateway.openai.chat.completions.create(**ASKED, extra_headers=KEYED, **options)
    return [chunk async for chunk in said] if options.get("stream") else said


async def execute(gateway, statement):
    """Change the database under the gateway."""
    await gateway.app.database.write(lambda tx: tx.exec_driver_sql(statement))


async def kept(gateway):
    """How many keys are taken."""
    query = sa.text("SELECT count(*) FROM gateway_answers")
    return await gateway.app.database.read(lambda tx: tx.execute(query).scalar_one())


async def settled_once(gateway):
    """Check that the one call is lost on record, its cost on the account once, and nothing set aside."""
    (call,) = await gateway.recorded()
    assert (call["status"], [one["status"] for one in call["tried"]]) == ("lost", ["succeeded"])
    assert call["cost_micro_usd"] == sum(one["cost_micro_usd"] for one in call["tried"]) > 0
    assert await gateway.accounts() == {"daily": (call["cost_micro_usd"], 0)}
    assert await gateway.under_way() == 0
    await gateway.app.pipeline.admissions.pay()
    assert await gateway.accounts() == {"daily": (call["cost_micro_usd"], 0)}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_the_database_refuses_is_settled_once(start, fresh_database_url, stream):
    """The client is told, the cost stays, and the key makes the call anew when the database takes answers."""
    gateway = await start(budgets=BUDGET)
    gateway.server.add("Refused.", "Kept.")
    refuse, allow = REFUSE[gateway.app.database.url.get_backend_name()]
    await execute(gateway, refuse)
    with pytest.raises(openai.APIError, match="cannot reach its database"):
        await ask(gateway, stream=stream)
    assert await kept(gateway) == 0
    await settled_once(gateway)
    await execute(gateway, allow)
    for _ in range(2):
        assert (await ask(gateway)).choices[0].message.content == "Kept."
    assert gateway.server.count == 2
    first, second = await gateway.recorded()
    assert (first["status"], second["status"]) == ("lost", "succeeded")
    both = first["cost_micro_usd"] + second["cost_micro_usd"]
    assert await gateway.accounts() == {"daily": (both, 0)}


async def test_an_answer_for_which_the_disk_has_no_room_is_settled_once(start):
    """SQLite is full where the record is to be stored; what it cost is stored when there is room again."""
    gateway = await start(budgets=BUDGET)
    gateway.server.add(Reply(Random(0).randbytes(40_000).hex()))  # nothing that could be packed
    await execute(gateway, "PRAGMA max_page_count = 1")  # not one more than there are
    with pytest.raises(openai.InternalServerError, match="cannot reach its database"):
        await ask(gateway)
    assert gateway.server.count == 1
    assert await kept(gateway) == 0
    assert await gateway.under_way() == 1
    await execute(gateway, "PRAGMA max_page_count = 1000000")
    await settled_once(gateway)
