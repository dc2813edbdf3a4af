"""Streams of events: they say what changed to whom it concerns, are bounded, and leave nothing behind."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from roadworthy.access import Grant, Role
from roadworthy.service.changes import Change, Listener


@asynccontextmanager
async def following(client, path, **options):
    """The events of a stream, as pairs of name and data, from when it has begun."""
    async with client.stream("GET", path, **options) as answer:
        assert answer.status_code == 200, await answer.aread()
        lines = answer.aiter_lines()

        async def events():
            name = ""
            async for line in lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

        async for line in lines:
            if line == ": following":
                break
        yield events()


async def until(condition, seconds=15):
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def stream_tasks():
    """The tasks that streams started."""
    return [
        task for task in asyncio.all_tasks() if task.get_name() in ("roadworthy-stream", "roadworthy-changes")
    ]


async def test_a_runs_stream_tells_of_its_changes_and_ends_with_it(desk):
    """The run changes, ends, and so does the stream, saying so."""
    client = await desk.client(Grant(Role.OPERATOR))
    run_id = await desk.run("asks", name="word")
    async with following(client, f"/v1/runs/{run_id}/events") as events:
        await client.post(f"/v1/runs/{run_id}/signals", json={"name": "word"})
        heard = [event async for event in events]
    assert heard[-1] == ("closing", {"reason": "the run has ended"})
    assert {data["id"] for name, data in heard[:-1]} == {run_id}
    ended = await desk.run(n=1)
    await client.get(f"/v1/runs/{ended}?wait=20")
    async with following(client, f"/v1/runs/{ended}/events") as events:
        assert [event async for event in events] == [("closing", {"reason": "the run has ended"})]


async def test_a_stream_tells_nothing_of_other_tenants(desk):
    """Only what the key may see; the foreign run began first."""
    client = await desk.client(Grant(Role.VIEWER, tenant="acme"))
    async with following(client, "/v1/events") as events:
        await desk.run(tenant="other")
        own = await desk.run(tenant="acme")
        name, data = await anext(events)
    assert (name, data["id"]) == ("run.changed", own)


async def test_who_comes_back_is_told_what_was_missed(desk):
    """`Last-Event-ID` names the last event; a stranger to it is told to load everything anew."""
    client = await desk.client()
    run_id = await desk.run(n=1)
    changed = (await desk.app.runs.get(run_id)).created_at
    async with following(client, "/v1/events", headers={"last-event-id": str(changed)}) as events:
        assert (await anext(events))[1]["id"] == run_id
    for n in range(501):
        await desk.run("asks", name=str(n))
    async with following(client, "/v1/events", headers={"last-event-id": "1"}) as events:
        assert await anext(events) == ("reload", {})


async def test_streams_are_bounded_for_each_caller_and_in_all(serve):
    """429 for one caller's next one, 503 for anybody's; a place is free again when somebody leaves."""
    desk = await serve(service__max_streams=3, service__max_streams_each=2)
    one, two = await desk.client(), await desk.client()
    async with following(one, "/v1/events"):
        async with following(one, "/v1/events"), following(two, "/v1/events"):
            mine = await one.get("/v1/events")
            all_ = await two.get("/v1/events")
            waits = await one.get(f"/v1/runs/{await desk.run('asks', name='x')}?wait=5")
            assert (mine.status_code, all_.status_code, waits.status_code) == (429, 503, 429)
            assert int(mine.headers["retry-after"]) > 0 < int(all_.headers["retry-after"])
        await until(lambda: desk.service.streams.count == 1)
        async with following(two, "/v1/events"):
            assert desk.service.streams.count == 2
    await until(lambda: desk.service.streams.count == 0 and not stream_tasks())


async def test_a_thousand_streams_that_are_cut_off_leave_nothing(serve):
    """Clients that vanish without a word take their tasks and places with them."""
    desk = await serve(
        service__max_streams=1000, service__max_streams_each=1000, service__max_connections=3000
    )
    secret = await desk.secret()
    host, port = desk.server.bind().getsockname()[:2]
    request = f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n".encode()

    async def connect():
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        await reader.readuntil(b": following")
        return writer

    writers = [one for _ in range(10) for one in await asyncio.gather(*(connect() for _ in range(100)))]
    assert desk.service.streams.count == 1000
    refused = await (await desk.client()).get("/v1/events")
    assert refused.status_code == 503
    for writer in writers:
        writer.transport.abort()
    await until(lambda: desk.service.streams.count == 0 and not stream_tasks())


async def test_a_stream_ends_when_its_key_is_revoked(desk, monkeypatch):
    """The next heartbeat notices."""
    monkeypatch.setattr("roadworthy.access.keys.REMEMBERED_SECONDS", 0.0)
    client = await desk.client()
    owner = await desk.person(Grant(Role.OWNER))
    async with following(client, "/v1/events") as events:
        (key,) = (await owner.get("/v1/keys")).json()["keys"]
        await owner.post(f"/v1/keys/{key['id']}/revoke")
        async with asyncio.timeout(10):
            assert [event async for event in events] == [("closing", {"reason": "no longer allowed"})]


async def test_a_client_that_does_not_read_is_cut_off(desk, monkeypatch):
    """What it does not take fills its connection's buffers, and then it is gone."""
    monkeypatch.setattr("roadworthy.service.streams._SEND_SECONDS", 0.3)
    secret = await desk.secret()
    host, port = desk.server.bind().getsockname()[:2]
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    writer.write(
        f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\r\n".encode()
    )
    await reader.readuntil(b": following")
    async with asyncio.timeout(30):
        while desk.service.streams.count:
            desk.service.changes._tell(Change("run", "run_" + "0" * 4000, "twice", "", 1))
            await asyncio.sleep(0)
    writer.close()
    await until(lambda: not stream_tasks())


async def test_one_look_at_the_database_serves_every_stream(desk, monkeypatch):
    """However many follow, the looks are one a second; without anybody there are none."""
    looks = 0
    look = desk.service.changes._look

    async def counted():
        nonlocal looks
        looks += 1
        await look()

    monkeypatch.setattr(desk.service.changes, "_look", counted)
    monkeypatch.setattr("roadworthy.service.changes._LOOK_EVERY_SECONDS", 0.2)
    client = await desk.client()
    async with (
        following(client, "/v1/events"),
        following(client, "/v1/events"),
        following(client, "/v1/events"),
    ):
        began = asyncio.get_running_loop().time()
        await until(lambda: looks >= 3)
        assert looks <= (asyncio.get_running_loop().time() - began) / 0.2 + 2  # the first is at once
    await until(lambda: not stream_tasks())


async def test_the_end_of_the_service_ends_streams_and_waits(desk):
    """A stream says why it ends; a request that waits is answered with the run as it is."""
    client = await desk.client()
    run_id = await desk.run("asks", name="word")
    async with following(client, "/v1/events") as events:
        waiting = asyncio.create_task(client.get(f"/v1/runs/{run_id}?wait=50"))
        await until(lambda: desk.service.streams.count == 2)
        desk.service.end_streams()
        assert [event async for event in events][-1] == ("closing", {"reason": "the service shuts down"})
        answer = await waiting
    assert answer.status_code == 200
    assert answer.json()["status"] in ("queued", "running", "waiting")


async def test_a_listener_that_falls_behind_is_closed():
    """Memory is bounded, also for a stream that is never read."""
    listener = Listener(lambda _: True)
    for n in range(2000):
        listener.hear(Change("run", str(n), "", "", n))
    assert listener.closed == "too slow"
    assert len(await listener.next(1)) == 1000


@pytest.mark.parametrize("given", ["x", "-1", "9" * 30])
async def test_a_strange_last_event_is_a_fault(desk, given):
    """422, not a crash."""
    client = await desk.client()
    assert (await client.get("/v1/events", headers={"last-event-id": given})).status_code == 422


async def test_a_stream_tells_who_takes_a_review_on(desk):
    """Lists say who is at work: a claim is told, and so is a change of whom it is assigned to."""
    client, review_id = await desk.client(Grant(Role.VIEWER)), await desk.review()
    async with following(client, "/v1/events") as events, asyncio.timeout(15):
        run_id = await desk.run()  # told by a look that has seen the review as it was
        assert (await anext(events))[1]["id"] == run_id
        for change in (desk.app.reviews.claim(review_id, "Ann"), desk.app.reviews.assign(review_id, "Ben")):
            await change
            while (told := await anext(events))[0] != "review.changed":
                continue
            assert told[1]["id"] == review_id
