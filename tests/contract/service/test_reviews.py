"""Reviews over HTTP: who sees what, who decides, and what the second of two is told."""

import asyncio
import json

from roadworthy.access import Grant, Role
from roadworthy.audit import Filter as AuditFilter
from roadworthy.review import Kind


async def test_a_reviewer_finds_reads_and_decides(desk):
    """Evidence beside the answer; the verdict is on record under the reviewer's own name."""
    review_id = await desk.review()
    ann = await desk.person(Grant(Role.REVIEWER))
    listed = (await ann.get("/v1/reviews")).json()
    assert [one["id"] for one in listed["reviews"]] == [review_id]
    shown = await ann.get(f"/v1/reviews/{review_id}")
    assert shown.headers["etag"] == '"1"'
    assert shown.json()["question"]["evidence"] == [{"title": "Terms", "text": "At most 5."}]
    edit = {"verdict": "edit", "value": {"amount": 4}, "note": "As the terms say."}
    done = await ann.post(f"/v1/reviews/{review_id}/decide", json=edit, headers={"if-match": '"1"'})
    assert (done.status_code, done.json()["status"], done.json()["answered_by"]) == (200, "edited", "Ann")
    assert (await ann.get(f"/v1/reviews/{review_id}")).json()["answer"] == {"amount": 4}
    assert (await ann.get("/v1/reviews")).json()["reviews"] == []
    (entry,) = await desk.app.audit.find(AuditFilter(action="review."), limit=1)
    assert (entry.action, entry.actor_name, entry.subject) == ("review.edited", "Ann", review_id)
    assert set(json.loads(entry.detail)) == {"answer_sha256", "edited_sha256"}
    assert len(set(json.loads(entry.detail).values())) == 2


async def test_an_edit_that_breaks_the_schema_is_refused_and_nothing_is_lost(desk):
    """The faults are named; the item stays open, the draft stays."""
    review_id = await desk.review()
    ann = await desk.person(Grant(Role.REVIEWER))
    assert (
        await ann.post(f"/v1/reviews/{review_id}/draft", json={"draft": {"amount": "x"}})
    ).status_code == 200
    answer = await ann.post(
        f"/v1/reviews/{review_id}/decide", json={"verdict": "edit", "value": {"amount": "x"}}
    )
    assert answer.status_code == 422
    assert answer.json()["details"]["faults"] == ["amount: must be a whole number"]
    shown = (await ann.get(f"/v1/reviews/{review_id}")).json()
    assert (shown["status"], shown["draft"]["draft"]) == ("open", {"amount": "x"})
    without = await ann.post(f"/v1/reviews/{review_id}/decide", json={"verdict": "reject"})
    assert without.status_code == 422


async def test_of_two_who_decide_at_once_one_is_told_who_was_first(desk):
    """Exactly one verdict holds; the other one's text is not lost on the way: it comes back as a conflict."""
    review_id = await desk.review()
    ann, ben = await desk.person(Grant(Role.REVIEWER)), await desk.person(Grant(Role.OWNER))
    path = f"/v1/reviews/{review_id}/decide"
    answers = await asyncio.gather(
        ann.post(path, json={"verdict": "approve"}),
        ben.post(path, json={"verdict": "reject", "note": "No."}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json()["code"] == "state_conflict"
    assert review_id in loser.json()["detail"]


async def test_a_version_that_was_not_looked_at_is_a_conflict(desk):
    """Somebody assigned it meanwhile; the ETag says so."""
    review_id = await desk.review()
    ann = await desk.person(Grant(Role.REVIEWER))
    operator = await desk.client(Grant(Role.OPERATOR))
    assigned = await operator.post(f"/v1/reviews/{review_id}/assign", json={"to": "Ben"})
    assert (assigned.status_code, assigned.json()["assigned_to"]) == (200, "Ben")
    path = f"/v1/reviews/{review_id}/decide"
    stale = await ann.post(path, json={"verdict": "approve"}, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["details"]) == (409, {"version": 2})
    assert (
        await ann.post(path, json={"verdict": "approve"}, headers={"if-match": 'W/"2"'})
    ).status_code == 200
    odd = await ann.post(path, json={"verdict": "approve"}, headers={"if-match": "*"})
    assert odd.status_code == 422


async def test_with_two_people_the_first_verdict_is_hidden_from_the_second(desk):
    """Until they have given their own; two that agree decide."""
    review_id = await desk.review(people=2)
    ann, ben = await desk.person(Grant(Role.REVIEWER)), await desk.person(Grant(Role.REVIEWER))
    path = f"/v1/reviews/{review_id}"
    assert (await ann.post(f"{path}/decide", json={"verdict": "approve"})).json()["status"] == "open"
    assert (await ben.get(path)).json()["verdicts"] == []
    assert [one["verdict"] for one in (await ann.get(path)).json()["verdicts"]] == ["approve"]
    assert (await ann.post(f"{path}/decide", json={"verdict": "approve"})).status_code == 409
    assert (await ben.post(f"{path}/decide", json={"verdict": "approve"})).json()["status"] == "approved"


async def test_who_sees_no_content_sees_that_something_waits(desk):
    """A viewer gets neither question nor answer, and decides nothing; a program cannot decide at all."""
    review_id = await desk.review()
    viewer = await desk.client(Grant(Role.VIEWER))
    shown = (await viewer.get(f"/v1/reviews/{review_id}")).json()
    assert (shown["content"], shown["question"], shown["reason"]) == (False, None, "unsure")
    for client in (viewer, await desk.client(Grant(Role.OPERATOR)), await desk.client()):
        refused = await client.post(f"/v1/reviews/{review_id}/decide", json={"verdict": "approve"})
        assert refused.status_code == 403
    assert (await desk.app.reviews.get(review_id)).status == "open"


async def test_a_foreign_review_reads_like_one_that_does_not_exist(desk):
    """Same status, same words, no hint of ids that are alike."""
    own, foreign = await desk.review(tenant="acme"), await desk.review(tenant="other")
    ann = await desk.person(Grant(Role.REVIEWER, tenant="acme"))
    assert [one["id"] for one in (await ann.get("/v1/reviews")).json()["reviews"]] == [own]
    nobody = f"review_{'0' * 32}"
    said = []
    for review_id in (foreign, nobody):
        answer = await ann.post(f"/v1/reviews/{review_id}/decide", json={"verdict": "approve"})
        said.append(
            {
                name: value.replace(review_id, "ID") if isinstance(value, str) else value
                for name, value in answer.json().items()
                if name != "request_id"
            }
        )
        assert (await ann.get(f"/v1/reviews?after={review_id}")).status_code == 404
    assert said[0] == said[1]
    assert said[0]["status"] == 404


async def test_a_question_is_answered_or_declined(desk):
    """In a model's place; a verdict on it is refused with what to do."""
    first, second = await desk.review(Kind.ANSWER), await desk.review(Kind.ANSWER)
    ann = await desk.person(Grant(Role.REVIEWER))
    assert (await ann.post(f"/v1/reviews/{first}/decide", json={"verdict": "approve"})).status_code == 422
    answered = await ann.post(f"/v1/reviews/{first}/answer", json={"value": "5 euros"})
    assert (answered.status_code, answered.json()["status"]) == (200, "answered")
    declined = await ann.post(f"/v1/reviews/{second}/decline", json={"note": "Nobody knows."})
    assert (declined.status_code, declined.json()["status"]) == (200, "declined")
    closed = (await ann.get("/v1/reviews?status=answered&status=declined")).json()["reviews"]
    assert [one["id"] for one in closed] == [second, first]


async def test_a_claim_warns_and_keeps_nobody_out(desk):
    """Its holder is named; another one may decide all the same."""
    review_id = await desk.review()
    ann, ben = await desk.person(Grant(Role.REVIEWER)), await desk.person(Grant(Role.REVIEWER))
    path = f"/v1/reviews/{review_id}"
    assert (await ann.post(f"{path}/claim", json={"seconds": 60})).json()["claimed_by"] == "Ann"
    assert (await ben.get(path)).json()["claimed_until"] is not None
    assert (await ann.post(f"{path}/release")).json()["claimed_by"] is None
    assert (await ann.post(f"{path}/claim")).status_code == 200
    assert (await ben.post(f"{path}/decide", json={"verdict": "approve"})).status_code == 200
