"""End users rate and correct an output by a signed link or the API; only what is named, and on record."""

import string

import pytest

from roadworthy.access import Grant, Role
from roadworthy.review.feedback import Scale


async def test_a_link_rates_what_it_names_and_can_be_used_again(desk):
    """The last word counts; it stands on record with the run's tenant."""
    run_id = await desk.run(tenant="acme")
    address = await desk.app.feedback.link(run_id)
    path = address[len(desk.app.address) :]
    client = await desk.open()
    form = await client.get(path)
    assert form.status_code == 200
    assert "<script" not in form.text
    assert run_id not in form.text
    for rating in ("-1", "1"):
        said = {"rating": rating, "comment": "<b>good</b>", "correction": "42"}
        assert (await client.post(path, data=said)).status_code == 200
    reader = await desk.client(Grant(Role.SERVICE, tenant="acme"))
    (one,) = (await reader.get("/v1/feedback", params={"subject": run_id})).json()["feedback"]
    assert (one["rating"], one["comment"], one["correction"], one["by"]) == (1, "<b>good</b>", "42", "link")
    assert (one["tenant"], one["run_id"], one["content"]) == ("acme", run_id, True)


async def test_a_link_that_was_changed_or_is_too_old_is_unknown(desk):
    """In the same words, whatever is wrong with it."""
    run_id = await desk.run()
    path = (await desk.app.feedback.link(run_id))[len(desk.app.address) :]
    old = (await desk.app.feedback.link(run_id, days=-1))[len(desk.app.address) :]
    client = await desk.open()
    wrong = [
        *(path[:-1] + last for last in string.ascii_letters + string.digits if last != path[-1]),
        "/f/x",
        "/f/" + "A" * 200,
        "/f/%ff",
        old,
        path[:40],
    ]
    told = set()
    for one in wrong:
        for answer in (await client.get(one), await client.post(one, data={"rating": "1"})):
            told.add((answer.status_code, answer.json()["detail"]))
    assert told == {(404, "This link is unknown or no longer valid.")}


@pytest.mark.parametrize("rating", ["0", "6", "x", "2", ""])
async def test_a_rating_that_is_none_is_not_stored(desk, rating):
    """Thumbs are -1 and 1; nothing said is nothing stored."""
    run_id = await desk.run()
    path = (await desk.app.feedback.link(run_id, scale=Scale.THUMBS))[len(desk.app.address) :]
    assert (await (await desk.open()).post(path, data={"rating": rating})).status_code == 422
    assert (await (await desk.client()).get("/v1/feedback")).json()["feedback"] == []


async def test_the_api_takes_feedback_for_what_the_key_reaches(desk):
    """A foreign run reads like none; a viewer sees ratings, and no words."""
    client = await desk.client(Grant(Role.SERVICE, tenant="acme"))
    own, foreign = await desk.run(tenant="acme"), await desk.run(tenant="other")
    body = {
        "subject": own,
        "scale": "stars",
        "rating": 4,
        "comment": "long",
        "correction": {"a": [1]},
        "user_id": "ann",
    }
    assert (await client.post("/v1/feedback", json=body)).status_code == 201
    bodies = []
    for subject in (foreign, "run_" + "0" * 32):
        answer = await client.post("/v1/feedback", json={"subject": subject, "rating": 1})
        assert answer.status_code == 404
        bodies.append(answer.json()["detail"].replace(subject, ""))
    assert bodies[0] == bodies[1]
    assert (await client.post("/v1/feedback", json={**body, "rating": 6})).status_code == 422
    (seen,) = (await (await desk.client(Grant(Role.VIEWER))).get("/v1/feedback")).json()["feedback"]
    assert (seen["rating"], seen["user_id"], seen["content"], seen["comment"]) == (4, "ann", False, "")


async def test_feedback_is_on_the_audit_log_without_its_words(desk):
    """Who gave it and for what; what they wrote stays where retention finds it."""
    client = await desk.client()
    run_id = await desk.run()
    await client.post("/v1/feedback", json={"subject": run_id, "rating": 1, "comment": "private words"})
    owner = await desk.person(Grant(Role.OWNER))
    answer = await owner.get("/v1/audit", params={"action": "feedback.given"})
    (entry,) = answer.json()["entries"]
    assert (entry["subject"], entry["detail"]) == (run_id, {"rating": 1})
    assert "private words" not in answer.text
