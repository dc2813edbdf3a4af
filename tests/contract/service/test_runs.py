"""Runs over HTTP: started once for a key, found by filter, steered, and seen only by whom they belong to."""

import asyncio

from roadworthy.access import Grant, Role

NOBODY = "run_" + "0" * 32


async def test_a_run_is_started_waited_for_and_shown(desk):
    """With `wait` the answer comes when the run has ended, with where to find it."""
    client = await desk.client()
    made = await client.post("/v1/workflows/twice/runs?wait=20", json={"input": {"n": 4}, "tags": ["x"]})
    assert (made.status_code, made.json()["status"], made.json()["tags"]) == (201, "succeeded", ["x"])
    shown = await client.get(made.headers["location"])
    assert (shown.json()["input"], shown.json()["output"], shown.json()["content"]) == ({"n": 4}, 8, True)
    assert [step["name"] for step in shown.json()["steps"]] == ["double"]


async def test_the_same_key_gives_the_same_run_and_refuses_another_input(desk):
    """201 for a new run, 200 for the same one, 409 for another input; also when ten come at once."""
    client = await desk.client()

    async def start(n):
        headers = {"idempotency-key": "order 17"}
        return await client.post("/v1/workflows/twice/runs", json={"input": {"n": n}}, headers=headers)

    answers = await asyncio.gather(*(start(4) for _ in range(10)))
    assert sorted(one.status_code for one in answers) == [200] * 9 + [201]
    assert len({one.json()["id"] for one in answers}) == 1
    other = await start(5)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert other.headers["content-type"] == "application/problem+json"


async def test_an_input_that_does_not_fit_is_told_fault_by_fault(desk):
    """422 with every fault; nothing is queued."""
    client = await desk.client()
    answer = await client.post("/v1/workflows/twice/runs", json={"input": {"m": 1}})
    assert answer.status_code == 422
    assert [fault.partition(":")[0] for fault in answer.json()["details"]["faults"]] == ["n", "m"]
    assert (await client.get("/v1/runs")).json() == {"runs": [], "next": None}


async def test_lists_go_on_from_page_to_page_without_gaps(desk):
    """`next` leads through all runs, newest first, and ends."""
    client = await desk.client()
    ids = [await desk.run(n=n) for n in range(5)]
    seen, after = [], None
    while True:
        page = (
            await client.get("/v1/runs", params={"limit": 2, **({"after": after} if after else {})})
        ).json()
        seen += [run["id"] for run in page["runs"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ids[::-1]


async def test_filters_are_those_of_the_command_line(desk):
    """By status, workflow, error kind, time, text and user."""
    client = await desk.client()
    good, bad = await desk.run(n=1), await desk.run("fails", n=1)
    for run_id in (good, bad):
        await client.get(f"/v1/runs/{run_id}?wait=20")

    async def found(**params):
        return [run["id"] for run in (await client.get("/v1/runs", params=params)).json()["runs"]]

    assert await found(status="dead") == [bad]
    assert await found(workflow="twice") == [good]
    assert await found(error="ValueError", status=["dead", "queued"]) == [bad]
    assert await found(text=good[-12:]) == [good]
    assert await found(since="2999-01-01T00:00:00Z") == []
    assert await found(until="2999-01-01T00:00:00Z", min_seconds="0", min_cost="0") == [bad, good]


async def test_a_dead_run_is_resumed_replayed_and_cancelled(desk):
    """The three ways to go on, each with its answer, and a conflict where it cannot be."""
    client = await desk.client(Grant(Role.OPERATOR))
    dead = await desk.run("fails", n=1)
    await client.get(f"/v1/runs/{dead}?wait=20")
    resumed = await client.post(f"/v1/runs/{dead}/resume")
    assert (resumed.status_code, resumed.json()["id"]) == (200, dead)
    await client.get(f"/v1/runs/{dead}?wait=20")
    replayed = await client.post(f"/v1/runs/{dead}/replay", json={"from_step": "explode"})
    assert (replayed.status_code, replayed.json()["replay_of"]) == (201, dead)
    cancelled = await client.post(f"/v1/runs/{dead}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    done = await desk.run(n=1)
    await client.get(f"/v1/runs/{done}?wait=20")
    conflict = await client.post(f"/v1/runs/{done}/resume")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "state_conflict")


async def test_a_signal_lets_a_waiting_run_go_on(desk):
    """What the signal carries is what the run gets; the audit log names the key."""
    client = await desk.client(Grant(Role.OPERATOR))
    run_id = await desk.run("asks", name="word")
    sent = await client.post(f"/v1/runs/{run_id}/signals", json={"name": "word", "payload": [1, "é"]})
    assert sent.status_code == 202
    shown = (await client.get(f"/v1/runs/{run_id}?wait=20")).json()
    assert (shown["status"], shown["output"]) == ("succeeded", [1, "é"])
    entries = (await client.get("/v1/audit", params={"action": "run.signalled"})).json()["entries"]
    assert [(one["subject"], one["actor_kind"], one["request_id"]) for one in entries] == [
        (run_id, "key", sent.headers["x-request-id"])
    ]


async def test_another_tenants_run_reads_like_none(desk):
    """Body, status and headers are the same for a foreign run and for one that does not exist."""
    client = await desk.client(Grant(Role.OPERATOR, tenant="acme"))
    foreign, none, own = await desk.run(tenant="other"), await desk.run(), await desk.run(tenant="acme")
    paths = (("GET", ""), ("POST", "/cancel"), ("POST", "/resume"), ("POST", "/replay"), ("GET", "/events"))
    for method, path in paths:
        seen = []
        for run_id in (foreign, none, NOBODY):
            answer = await client.request(method, f"/v1/runs/{run_id}{path}")
            body = answer.json()
            assert body.pop("request_id") == answer.headers["x-request-id"]
            body["detail"] = body["detail"].replace(run_id, "")
            different = ("x-request-id", "date", "content-length")
            headers = {name: value for name, value in answer.headers.items() if name not in different}
            seen.append((answer.status_code, body, headers))
        assert seen[0] == seen[1] == seen[2], path
        assert seen[0][0] == 404
    listed = (await client.get("/v1/runs")).json()["runs"]
    assert [run["id"] for run in listed] == [own]
    assert (await client.get("/v1/runs", params={"tenant": "other"})).json()["runs"] == []


async def test_the_tenant_of_a_run_comes_from_the_key(desk):
    """One tenant: it need not be said. Two: it must. A foreign one: refused."""
    one = await desk.client(Grant(Role.SERVICE, tenant="acme"))
    body = {"input": {"n": 1}}
    assert (await one.post("/v1/workflows/twice/runs", json=body)).json()["tenant"] == "acme"
    refused = await one.post("/v1/workflows/twice/runs", json={**body, "tenant": "other"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    two = await desk.client(Grant(Role.SERVICE, tenant="acme"), Grant(Role.SERVICE, tenant="beta"))
    assert (await two.post("/v1/workflows/twice/runs", json=body)).status_code == 422
    assert (await two.post("/v1/workflows/twice/runs", json={**body, "tenant": "beta"})).status_code == 201


async def test_a_key_for_one_workflow_does_not_learn_of_others(desk):
    """Neither by name nor in lists."""
    client = await desk.client(Grant(Role.SERVICE, workflow="twice"))
    named = [one["name"] for one in (await client.get("/v1/workflows")).json()["workflows"]]
    assert named == ["twice"]
    bodies = []
    for name in ("fails", "none"):
        answers = [
            await client.get(f"/v1/workflows/{name}"),
            await client.post(f"/v1/workflows/{name}/runs", json={"input": {"n": 1}}),
        ]
        assert [one.status_code for one in answers] == [404, 404]
        bodies.append([one.json()["detail"].replace(name, "") for one in answers])
    assert bodies[0] == bodies[1]


async def test_content_takes_a_permission_of_its_own(desk):
    """A viewer sees the run, its steps and their times, and not what went in or out."""
    client = await desk.client(Grant(Role.VIEWER))
    run_id = await desk.run(n=4)
    shown = (await client.get(f"/v1/runs/{run_id}?wait=20")).json()
    assert (shown["status"], shown["content"], shown["input"], shown["output"]) == (
        "succeeded",
        False,
        None,
        None,
    )
    assert [(step["name"], step["input"], step["output"]) for step in shown["steps"]] == [
        ("double", None, None)
    ]
