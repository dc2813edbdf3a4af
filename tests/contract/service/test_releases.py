"""Promotions and flags over HTTP: who may, what is refused, and what others are told."""

import pytest

from roadworthy.access import Grant, Role

PROMPT = "# user\n{label}\n"


@pytest.fixture
def prompts(tmp_path):
    """Two versions of a prompt in the project's folder."""
    folder = tmp_path / "prompts" / "reply"
    folder.mkdir(parents=True)
    for label in ("v1", "v2"):
        (folder / f"{label}.md").write_text(PROMPT.format(label=label))


@pytest.fixture
async def desk(prompts, serve):
    """A service over a project with a prompt."""
    return await serve(work=False)


async def test_an_approver_promotes_splits_and_rolls_back(desk):
    """Each change is answered with what serves then; the list and the history tell it."""
    client = await desk.person(Grant(Role.APPROVER))
    promoted = (
        await client.post("/v1/prompts/reply/promote", json={"label": "v1", "reason": "calmer"})
    ).json()
    assert (promoted["kind"], promoted["arms"][0]["name"], promoted["before"][0]["name"]) == (
        "promote",
        "v1",
        "v2",
    )
    listed = (await client.get("/v1/prompts")).json()["prompts"]
    assert {one["label"]: one["serves"] for one in listed} == {"v1": True, "v2": False}
    body = {"shares": {"v1": 90, "v2": "10"}, "expect": promoted["revision"]}
    split = (await client.post("/v1/prompts/reply/split", json=body)).json()
    assert [arm["percent"] for arm in split["arms"]] == [90.0, 10.0]
    assert (await client.get("/v1/prompts/reply/outcomes")).json()["arms"][0]["name"] == "v1"
    back = (await client.post("/v1/prompts/reply/rollback", json={})).json()
    assert [arm["name"] for arm in back["arms"]] == ["v1"]
    shown = (await client.get("/v1/prompts/reply/releases", params={"limit": 2})).json()
    assert [one["kind"] for one in shown["changes"]] == ["rollback", "split"]
    older = (await client.get("/v1/prompts/reply/releases", params={"before": shown["next"]})).json()
    assert [one["reason"] for one in older["changes"]] == ["calmer"]
    assert older["changes"][0]["by"].startswith("person_")


async def test_what_calls_may_fail_on_since_a_change_is_told(prompts, serve, tmp_path):
    """In development nobody refuses a version that takes other inputs; the answer warns, both ways."""
    more = "---\ninputs: {tone: str}\n---\n# user\n{{ tone }}\n"
    (tmp_path / "prompts" / "reply" / "v3.md").write_text(more)
    client = await (await serve(work=False)).person(Grant(Role.APPROVER))
    plain = await client.post("/v1/prompts/reply/promote", json={"label": "v1"})
    there = await client.post("/v1/prompts/reply/promote", json={"label": "v3"})
    back = await client.post("/v1/prompts/reply/rollback", json={})
    assert [one.json()["warnings"] for one in (plain, there, back)] == [
        ["reply@v1: it does not take the input 'tone', which v3 takes."],
        ["reply@v3: it needs the input 'tone', which v1 does not take."],
        ["reply@v1: it does not take the input 'tone', which v3 takes."],
    ]


async def test_a_change_of_what_was_not_looked_at_is_a_conflict(desk):
    """The second of two who looked at the same is told."""
    client = await desk.person(Grant(Role.APPROVER))
    body = {"label": "v1", "expect": 0}
    assert (await client.post("/v1/prompts/reply/promote", json=body)).status_code == 200
    again = await client.post("/v1/prompts/reply/promote", json={**body, "label": "v2"})
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")


async def test_production_takes_an_evaluation_or_an_owner(prompts, serve):
    """An approver is refused with what to do, and may not override; an owner may, with a reason."""
    desk = await serve(work=False, releases__require_eval=True)
    approver, owner = await desk.person(Grant(Role.APPROVER)), await desk.person(Grant(Role.OWNER))
    refused = await approver.post("/v1/prompts/reply/promote", json={"label": "v1"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_evaluated")
    assert refused.json()["details"] == {"version": "reply@v1", "suites": [], "commands": []}
    body = {"label": "v1", "override": True, "reason": "outage"}
    assert (await approver.post("/v1/prompts/reply/promote", json=body)).status_code == 403
    assert (await owner.post("/v1/prompts/reply/promote", json={**body, "reason": ""})).status_code == 422
    assert (await owner.post("/v1/prompts/reply/promote", json=body)).json()["kind"] == "override"


async def test_a_role_for_one_tenant_promotes_nothing(desk):
    """What serves everybody takes a role for everything."""
    client = await desk.person(Grant(Role.OWNER, tenant="acme"))
    assert (await client.post("/v1/prompts/reply/promote", json={"label": "v1"})).status_code == 403


async def test_flags_are_set_read_and_taken_back(desk):
    """By shares; what is no share, or no name, is 422."""
    client = await desk.person(Grant(Role.OPERATOR))
    said = await client.put("/v1/flags/new-rules", json={"shares": {"on": 12.5, "off": 87.5}})
    assert [arm["percent"] for arm in said.json()["arms"]] == [12.5, 87.5]
    assert [one["name"] for one in (await client.get("/v1/flags")).json()["flags"]] == ["new-rules"]
    assert (await client.delete("/v1/flags/new-rules")).json()["kind"] == "clear"
    assert (await client.delete("/v1/flags/new-rules")).status_code == 404
    for shares in ({"on": 50}, {}, {"on": "NaN"}, {"on": -1, "off": 101}, {"on": 1e300}):
        assert (await client.put("/v1/flags/new-rules", json={"shares": shares})).status_code == 422
    assert (await client.put("/v1/flags/New", json={"shares": {"on": 100}})).status_code == 422


async def test_settings_say_again_what_serves(desk):
    """After a clear; the second one finds nothing to clear."""
    client = await desk.person(Grant(Role.APPROVER))
    await client.post("/v1/prompts/reply/promote", json={"label": "v1"})
    cleared = (await client.post("/v1/prompts/reply/clear", json={"reason": "done"})).json()
    assert (cleared["kind"], cleared["arms"], cleared["before"][0]["name"]) == ("clear", [], "v1")
    shown = (await client.get("/v1/prompts/reply/releases")).json()
    assert (shown["source"], shown["arms"][0]["name"]) == ("settings", "v2")
    assert (await client.post("/v1/prompts/reply/clear", json={})).status_code == 404


async def test_to_clear_takes_an_evaluation_or_an_owner_where_a_promotion_does(prompts, serve):
    """What the settings name may not serve unproven either."""
    desk = await serve(work=False, releases__require_eval=True)
    approver, owner = await desk.person(Grant(Role.APPROVER)), await desk.person(Grant(Role.OWNER))
    override = {"override": True, "reason": "outage"}
    await owner.post("/v1/prompts/reply/promote", json={"label": "v1", **override})
    assert (await approver.post("/v1/prompts/reply/clear", json={})).json()["code"] == "not_evaluated"
    assert (await approver.post("/v1/prompts/reply/clear", json=override)).status_code == 403
    assert (await owner.post("/v1/prompts/reply/clear", json=override)).json()["kind"] == "clear"


async def test_routes_share_who_asks_and_serve_themselves_again(prompts, serve):
    """With the models of each, the history, what came of it, and conflicts as for prompts."""
    model = {"provider": "openai", "base_url": "http://127.0.0.1:9", "model": "m"}
    routes = {"answer": {"models": ["main"]}, "mini": {"models": ["main"]}}
    desk = await serve(work=False, models__main=model, routes=routes)
    client = await desk.person(Grant(Role.OPERATOR))
    before = (await client.get("/v1/routes")).json()["routes"][0]
    assert (before["models"], before["revision"], before["arms"][0]["percent"]) == (["main"], 0, 100.0)
    body = {"shares": {"answer": 75, "mini": 25}, "reason": "cheaper", "expect": 0}
    split = (await client.post("/v1/routes/answer/split", json=body)).json()
    assert [(one["name"], one["percent"]) for one in split["arms"]] == [("answer", 75.0), ("mini", 25.0)]
    assert (await client.post("/v1/routes/answer/split", json=body)).json()["code"] == "state_conflict"
    became = (await client.get("/v1/routes/answer/outcomes")).json()
    assert [one["percent"] for one in became["arms"]] == [75.0, 25.0]
    assert became["arms"][1]["measures"]["failed"]["value"] is None
    assert (await client.post("/v1/routes/answer/clear", json={})).json()["kind"] == "clear"
    shown = (await client.get("/v1/routes/answer/releases")).json()
    assert [one["kind"] for one in shown["changes"]] == ["clear", "split"]
    assert (shown["source"], shown["arms"][0]["name"]) == ("settings", "answer")
    assert (await client.get("/v1/routes/anser/releases")).json()["hint"] == "Did you mean 'answer'?"
    assert (await client.post("/v1/routes/answer/split", json={"shares": {"x": 100}})).status_code == 404


async def test_one_list_has_all_that_was_released(desk):
    """Prompts and flags, with the change that made each so."""
    client = await desk.person(Grant(Role.OWNER))
    assert (await client.get("/v1/releases")).json()["releases"] == []
    await client.post("/v1/prompts/reply/promote", json={"label": "v1", "reason": "calmer"})
    await client.put("/v1/flags/new-rules", json={"shares": {"on": 100}})
    await client.put("/v1/flags/old", json={"shares": {"on": 100}})
    await client.delete("/v1/flags/old")
    listed = (await client.get("/v1/releases")).json()
    found = [(one["kind"], one["name"], one["change"]["arms"][0]["name"]) for one in listed["releases"]]
    assert found == [("flag", "new-rules", "on"), ("prompt", "reply", "v1")]
    assert listed["releases"][1]["change"]["reason"] == "calmer"


async def test_a_flag_tells_its_history_and_what_came_of_it(desk):
    """One that was never set has none; a reason may be given for taking one back."""
    client = await desk.person(Grant(Role.OPERATOR))
    assert (await client.get("/v1/flags/new-rules/releases")).json()["changes"] == []
    assert (await client.get("/v1/flags/new-rules/outcomes")).status_code == 404
    await client.put("/v1/flags/new-rules", json={"shares": {"on": 10, "off": 90}})
    became = (await client.get("/v1/flags/new-rules/outcomes")).json()
    assert {one["name"]: one["percent"] for one in became["arms"]} == {"on": 10.0, "off": 90.0}
    late = await client.delete("/v1/flags/new-rules", params={"expect": 0})
    assert late.json()["code"] == "state_conflict"
    await client.delete("/v1/flags/new-rules", params={"reason": "noise"})
    shown = (await client.get("/v1/flags/new-rules/releases")).json()
    assert [(one["kind"], one["reason"]) for one in shown["changes"]] == [("clear", "noise"), ("split", "")]


@pytest.mark.parametrize("path", ["releases", "outcomes"])
async def test_an_unknown_prompt_is_not_found(desk, path):
    """As everywhere."""
    client = await desk.person(Grant(Role.OWNER))
    assert (await client.get(f"/v1/prompts/nothing/{path}")).status_code == 404
    assert (await client.post("/v1/prompts/nothing/rollback", json={})).status_code == 404
