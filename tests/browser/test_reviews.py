"""The review inbox and the page of one review: by keys, by two people, offline, without script."""

import re

import pytest
from playwright.sync_api import expect

from roadworthy.access import Grant, Principal, Role
from roadworthy.review import Held, Kind, Question, Reviewer, Said, store

TEXT = "Text"
REPLY = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "amount": {"type": "integer", "maximum": 500, "description": "In EUR, 500 at most."},
        "tone": {"enum": ["kind", "plain"]},
        "urgent": {"type": "boolean"},
    },
    "required": ["text", "amount"],
}
VALUE = {
    "text": "Dear Mira,\n\nyou get 20 EUR back.\n\nThe desk",
    "amount": 20,
    "tone": "kind",
    "urgent": False,
}
TERMS = [
    {"title": "Terms, 4.2", "url": "https://shop.example/terms", "text": "Refunds within 30 days."},
    {"title": "Order 60515", "paid_eur": 349, "delivered": "2026-11-02"},
]


def held(**changes):
    """An answer that waits for a decision."""
    known = {
        "value": VALUE,
        "schema": REPLY,
        "evidence": TERMS,
        "because": "confidence 0.5 is between 0.2 and 0.85",
        "confidence": 0.5,
        "proceed": 0.85,
        "reject": 0.2,
        "model": "gpt-5-mini",
        "checks": ("amount equals the order",),
    }
    return Held(**(known | changes))


def question(**changes):
    """What no model could answer."""
    known = {"messages": (("user", "When did the parcel arrive?"),), "inputs": {}, "schema": None}
    return Question(**(known | changes))


def waiting(live, workflow, asked=None, **known):
    """The id of an open review of a workflow that nothing else uses."""
    asked = asked or held()
    known.setdefault("kind", Kind.DECISION if isinstance(asked, Held) else Kind.ANSWER)
    change = known.pop("change", {})
    item = live.app.reviews.new(
        asked,
        workflow=workflow,
        prompt_version="draft-reply@v2",
        reason=known.pop("reason", getattr(asked, "because", "no model could answer")),
        **known,
    )
    made = type(item)(**{**{name: getattr(item, name) for name in type(item).__dataclass_fields__}, **change})
    live.do(live.app.database.write(lambda tx: store.add(tx, made)))
    return made.id


def of(live, review_id):
    """The review as it stands."""
    return live.do(live.app.reviews.get(review_id))


def refused(page):
    """Expect the browser to log that something was refused, or not reached."""
    page.expected_errors = ("409", "422", "ERR_INTERNET_DISCONNECTED")
    return page


def test_reviews_are_worked_off_by_keys(browse, live):
    """Approve, edit, reject with a reason; each leads on to the next, and the last one says that it was."""
    ids = [waiting(live, "keys") for _ in range(3)]
    page = browse("/reviews?workflow=keys")
    page.keyboard.press("s")
    expect(page).to_have_url(f"{live.url}/reviews/{ids[0]}?workflow=keys")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(ids[1]))
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile(ids[0]))
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile(ids[1]))
    expect(page.get_by_text("Approved.")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_label(TEXT)).to_be_focused()
    page.keyboard.press("Control+Home")
    page.keyboard.type("Very ")
    expect(page.get_by_label("What you changed").locator("ins")).to_have_text("Very ")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(ids[2]))
    page.keyboard.press("r")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Not what was asked.")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(f"{live.url}/reviews?workflow=keys")
    expect(page.get_by_text("Rejected. Nothing else in this list waits for you.")).to_be_visible()
    expect(page.get_by_text("Nothing waits for a person.")).to_be_visible()
    done = [of(live, one) for one in ids]
    assert [one.status.value for one in done] == ["approved", "edited", "rejected"]
    assert done[1].answer == {**VALUE, "text": f"Very {VALUE['text']}"}
    assert done[2].note == "Not what was asked."
    assert {one.answered_by for one in done} == {"Ann Smith"}


def test_enter_in_a_field_decides_nothing(browse, live):
    """The first button of a form is what Enter presses: here it is none of the verdicts."""
    review_id = waiting(live, "enter")
    page = browse(f"/reviews/{review_id}")
    page.get_by_label("Amount").press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="Nothing is changed")).to_be_visible()
    assert of(live, review_id).status.value == "open"


def test_what_breaks_the_schema_is_told_at_its_field(browse, live, accessible):
    """And everything that was typed is still there."""
    review_id = waiting(live, "breach")
    page = refused(browse(f"/reviews/{review_id}"))
    page.get_by_label(TEXT).fill("Dear Mira, you get more.")
    page.get_by_label("Amount").fill("900")
    page.get_by_role("button", name="Send edit").click()
    expect(page.locator("#faults")).to_be_focused()
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#told-2")).to_contain_text("must be at most 500")
    expect(page.get_by_label(TEXT)).to_have_value("Dear Mira, you get more.")
    accessible(page)
    page.get_by_label("Amount").fill("400")
    page.get_by_label("Tone").select_option("plain")
    page.get_by_label("Urgent").check()
    page.get_by_role("button", name="Send edit").click()
    expect(page.get_by_text("Your edit is taken.")).to_be_visible()
    expected = {"text": "Dear Mira, you get more.", "amount": 400, "tone": "plain", "urgent": True}
    assert of(live, review_id).answer == expected


def test_a_form_is_enough(browse, live):
    """Without script: what is wrong is told, what was typed stays, what is right is taken."""
    review_id, other = waiting(live, "plain"), waiting(live, "plain")
    page = refused(browse(f"/reviews/{review_id}?workflow=plain", java_script_enabled=False))
    page.get_by_label(TEXT).fill("\nOne\n\ntwo")
    page.get_by_label("Amount").fill("a lot")
    page.get_by_role("button", name="Send edit").click()
    expect(page.locator("#faults")).to_contain_text("amount: must be a whole number")
    expect(page.get_by_label("Amount")).to_have_value("a lot")
    page.get_by_label("Amount").fill("21")
    page.get_by_role("button", name="Send edit").click()
    expect(page).to_have_url(f"{live.url}/reviews/{other}?workflow=plain")
    assert of(live, review_id).answer == {**VALUE, "text": "\nOne\n\ntwo", "amount": 21}
    live.do(live.app.reviews.decide(other, "approve", by="Cleo"))
    page.get_by_label("Reason").fill("No, because")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#outcome")).to_contain_text("Cleo approved this")
    expect(page.get_by_label("Reason")).to_have_value("No, because")
    assert of(live, other).status.value == "approved"


def test_a_draft_outlives_a_reload_a_killed_tab_and_the_computer(browse, live):
    """In the browser at once, on the server soon after; for whoever wrote it and nobody else."""
    review_id = waiting(live, "drafts")
    page = browse(f"/reviews/{review_id}")
    page.get_by_label(TEXT).fill("Half a sentence")
    page.get_by_label("Reason").fill("I think")
    page.reload()
    expect(page.get_by_label(TEXT)).to_have_value("Half a sentence")
    expect(page.get_by_label("Reason")).to_have_value("I think")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    context = page.context
    page.get_by_label(TEXT).fill("Half a sentence more")
    page.close()
    again = context.new_page()
    again.goto(f"/reviews/{review_id}")
    expect(again.get_by_label(TEXT)).to_have_value("Half a sentence more")
    expect(again.get_by_text("Draft saved")).to_be_visible()
    elsewhere = browse(f"/reviews/{review_id}")
    expect(elsewhere.get_by_label(TEXT)).to_have_value("Half a sentence more")
    somebody = browse(f"/reviews/{review_id}", "Ben Boyd", Role.REVIEWER)
    expect(somebody.get_by_label(TEXT)).to_have_value(VALUE["text"])
    elsewhere.get_by_role("button", name="Discard").click()
    expect(elsewhere.get_by_label(TEXT)).to_have_value(VALUE["text"])


def test_without_a_connection_nothing_is_lost(browse, live):
    """What is typed is kept here, sending says that it was not sent, and both are made good."""
    review_id = waiting(live, "offline")
    page = refused(browse(f"/reviews/{review_id}?workflow=offline"))
    page.context.set_offline(True)
    page.get_by_label(TEXT).fill("Written in a tunnel")
    expect(page.get_by_text("Draft kept on this device only")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert").filter(has_text="Not sent: there is no connection")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("Draft saved")).to_be_visible()
    assert (
        live.do(live.app.reviews.draft(review_id, of_ann(live)))[0]["fields"]["value.text"]
        == "Written in a tunnel"
    )
    page.get_by_role("button", name="Send edit").click()
    expect(page.get_by_text("Your edit is taken.")).to_be_visible()
    assert of(live, review_id).answer["text"] == "Written in a tunnel"


def of_ann(live):
    """Ann, as a reviewer."""
    everybody = live.do(live.app.access.people(Principal.terminal("tester")))
    ann = next(one for one in everybody if one.name == "Ann Smith")
    return Reviewer(ann.id, ann.name, frozenset({"owner"}))


def test_two_reviewers_see_each_other_and_the_first_decision_stands(browse, live, accessible):
    """Who is at work is told to others; whoever comes second keeps their text, and reads who was first."""
    review_id = waiting(live, "two")
    ann = browse(f"/reviews/{review_id}?workflow=two")
    ben = browse("/reviews?workflow=two", "Ben Boyd", Role.REVIEWER)
    expect(ben.locator("#reviews tbody")).to_contain_text("Ann Smith")
    ben.get_by_role("link", name="confidence").click()
    expect(ben.locator("#claimed")).to_contain_text("Ann Smith is on this, began")
    ben.get_by_label(TEXT).fill("What Ben wrote")
    ben.get_by_label("Reason").fill("Because of Ben")
    ann.keyboard.press("a")
    expect(ann.get_by_text("Approved.")).to_be_visible()
    expect(ben.locator("#outcome")).to_contain_text("Ann Smith approved this")
    expect(ben.get_by_label(TEXT)).to_have_value("What Ben wrote")
    expect(ben.get_by_label("Reason")).to_have_value("Because of Ben")
    expect(ben.get_by_label("What you changed")).to_be_visible()
    expect(ben.get_by_role("button", name="Approve")).to_have_count(0)
    accessible(ben)


def test_a_decision_made_meanwhile_is_a_conflict_that_loses_nothing(browse, live):
    """Also where the news has not arrived: the server says so, and takes nothing."""
    review_id = waiting(live, "meanwhile")
    page = refused(browse(f"/reviews/{review_id}"))
    page.route("**/v1/events", lambda route: route.abort())
    page.expected_errors = (*page.expected_errors, "ERR_FAILED")
    page.reload()
    page.get_by_label(TEXT).fill("Mine")
    live.do(live.app.reviews.decide(review_id, "reject", by="Cleo", note="Too late."))
    page.keyboard.press("Control+Enter")
    expect(page.locator("#outcome")).to_be_focused()
    expect(page.locator("#outcome")).to_contain_text("Cleo rejected this")
    expect(page.locator("#outcome")).to_contain_text("Too late.")
    expect(page.get_by_label(TEXT)).to_have_value("Mine")
    assert of(live, review_id).status.value == "rejected"


def test_a_change_while_somebody_types_leaves_the_text(browse, live):
    """The page shows the change, and what is sent then has been decided on what was seen."""
    review_id = waiting(live, "changed")
    page = browse(f"/reviews/{review_id}?workflow=changed")
    page.get_by_label(TEXT).fill("Still typing")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    live.do(live.app.reviews.assign(review_id, "Dora"))
    expect(page.locator(".facts")).to_contain_text("Dora")
    expect(page.get_by_label(TEXT)).to_have_value("Still typing")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Your edit is taken.")).to_be_visible()


def test_of_two_people_neither_is_shown_the_others_verdict(browse, live):
    """Not hidden on the page: not sent. Once both have said theirs, both are shown."""
    review_id = waiting(live, "four-eyes", change={"people": 2})
    ben = browse(f"/reviews/{review_id}?workflow=four-eyes", "Ben Boyd", Role.REVIEWER)
    ben.get_by_label("Reason").fill("Ben's reason")
    ben.keyboard.press("Escape")
    ben.keyboard.press("a")
    expect(ben.get_by_text("Nothing else in this list waits for you.")).to_be_visible()
    expect(ben.get_by_text("Waits for another")).to_be_visible()
    ann = browse(f"/reviews/{review_id}?workflow=four-eyes")
    expect(ann.get_by_text("2 people have to agree")).to_be_visible()
    assert "Ben's reason" not in ann.content()
    expect(ann.get_by_role("heading", name="Verdicts")).to_have_count(0)
    ben.goto(f"/reviews/{review_id}")
    expect(ben.locator("#outcome")).to_contain_text("You said “approve”")
    expect(ben.get_by_role("button", name="Approve")).to_have_count(0)
    ann.keyboard.press("a")
    expect(ann.get_by_text("Approved.")).to_be_visible()
    ann.goto(f"/reviews/{review_id}")
    expect(ann.get_by_text("Ben's reason")).to_be_visible()


def test_hostile_text_is_only_text(browse, live, accessible):
    """Markup is shown as written, a script's address is no link, an endless word stays in its place."""
    word = "x" * 100_000
    evil = [{"title": "<b>bold</b>", "url": "javascript:alert(1)", "text": "<script>alert(1)</script>"}, word]
    review_id = waiting(
        live, "evil", held(value=f"</textarea><script>alert(1)</script> {word}", schema=None, evidence=evil)
    )
    page = browse(f"/reviews/{review_id}", viewport={"width": 390, "height": 844})
    expect(page.get_by_text("<script>alert(1)</script>", exact=True)).to_be_visible()
    expect(page.get_by_label("Answer", exact=True)).to_have_value(re.compile("^</textarea><script>"))
    expect(page.locator("a[href^=javascript]")).to_have_count(0)
    page.get_by_label("Answer", exact=True).press("Control+End")
    page.keyboard.type(" end")
    expect(page.get_by_label("What you changed").locator("ins")).to_have_text(" end")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(page)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Your edit is taken.")).to_be_visible()
    assert of(live, review_id).answer == f"</textarea><script>alert(1)</script> {word} end"


def test_a_form_that_is_sent_twice_counts_once(browse, live):
    """A double click, and the same form again by the browser's way back."""
    first, second = waiting(live, "twice"), waiting(live, "twice")
    page = browse(f"/reviews/{first}?workflow=twice")
    page.get_by_role("button", name="Approve").dblclick()
    expect(page).to_have_url(re.compile(second))
    assert of(live, second).status.value == "open"
    plain = browse(f"/reviews/{second}?workflow=twice", java_script_enabled=False)
    twin = plain.context.new_page()
    twin.goto(f"/reviews/{second}?workflow=twice")
    for one in (plain, twin):
        one.get_by_role("button", name="Approve").click()
        expect(one).to_have_url(f"{live.url}/reviews?workflow=twice")


def test_an_edit_is_not_left_out_by_mistake(browse, live):
    """To approve what was there before takes a second word once something was typed."""
    review_id = waiting(live, "asks")
    page = browse(f"/reviews/{review_id}?workflow=asks")
    page.get_by_label(TEXT).fill("Better")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("leave your edit out?")
    dialog.get_by_role("button", name="Keep as it is").click()
    assert of(live, review_id).status.value == "open"
    page.keyboard.press("a")
    dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved.")).to_be_visible()


@pytest.mark.parametrize(
    ("rule", "button", "verdict"),
    [
        ("approved", "It was right", "approved"),
        ("approved", "It was wrong", "rejected"),
        ("rejected", "It was right", "rejected"),
        ("rejected", "It was wrong", "approved"),
    ],
)
def test_a_sample_says_whether_a_rule_was_right(browse, live, rule, button, verdict):
    """In words of right and wrong, whichever way the rule had decided."""
    sample = held(verdict=rule, because="confidence 0.9 is at least 0.85")
    review_id = waiting(live, f"sample-{rule}-{button[-5:]}", sample, kind=Kind.SAMPLE)
    page = browse(f"/reviews/{review_id}")
    if button == "It was wrong":
        page.get_by_label("Reason").fill("Look at the terms.")
    page.get_by_role("button", name=button).click()
    expect(
        page.get_by_role("status").filter(has_text="Agreed." if "right" in button else "Noted")
    ).to_be_visible()
    assert of(live, review_id).status.value == verdict


def test_a_question_is_answered_or_declined(browse, live, accessible):
    """In a model's place, beside what the models said; as JSON where the form is not flat."""
    said = (Said("first", "invalid", "Last <b>week</b>", error="no date"),)
    nested = {"type": "object", "properties": {"days": {"type": "array", "items": {"type": "integer"}}}}
    ids = [
        waiting(live, "ask", question(said=said)),
        waiting(live, "ask", question(schema=nested)),
        waiting(live, "ask", question(schema=REPLY)),
        waiting(live, "ask", question()),
    ]
    page = refused(browse(f"/reviews/{ids[0]}?workflow=ask"))
    expect(page.get_by_text("Last <b>week</b>")).to_be_visible()
    accessible(page)
    page.keyboard.press("e")
    page.keyboard.type("On 3 March")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(ids[1]))
    page.get_by_label("Answer (JSON)").fill('{"days": [1, }')
    page.keyboard.press("Control+Enter")
    expect(page.locator("#faults")).to_contain_text("line 1, column 14")
    expect(page.get_by_label("Answer (JSON)")).to_have_value('{"days": [1, }')
    page.get_by_label("Answer (JSON)").fill('{"days": [1, 2]}')
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(ids[2]))
    page.get_by_label(TEXT).fill("Hello")
    page.get_by_label("Amount").fill("3")
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile(ids[3]))
    page.keyboard.press("r")
    page.keyboard.type("Nobody knows.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Declined.")).to_be_visible()
    done = [of(live, one) for one in ids]
    assert [one.status.value for one in done] == ["answered", "answered", "answered", "declined"]
    assert [one.answer for one in done[:2]] == ["On 3 March", {"days": [1, 2]}]
    assert done[2].answer == {"text": "Hello", "amount": 3}


def test_who_may_not_see_content_is_sent_none(browse, live):
    """A viewer sees that something waits, and neither answer nor evidence, nor buttons."""
    review_id = waiting(live, "veiled", held(value="TOP-ANSWER", schema=None, evidence=["TOP-EVIDENCE"]))
    page = browse(f"/reviews/{review_id}", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_text("What this asks is not for you to see.")).to_be_visible()
    assert "TOP-" not in page.content()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)


def test_an_operator_hands_out_work_and_decides_nothing(browse, live):
    """Whoever keeps things running may look and assign; Ann finds it under what is hers."""
    review_id = waiting(live, "handed")
    page = browse(f"/reviews/{review_id}", "Olga", Role.OPERATOR)
    expect(page.get_by_text("To decide this takes the role reviewer")).to_be_visible()
    page.get_by_label("Assign to").fill("Ann Smith")
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("Assigned to Ann Smith.")).to_be_visible()
    mine = browse("/reviews?show=mine&workflow=handed")
    expect(mine.locator("#reviews tbody tr")).to_have_count(1)


def test_the_inbox_tells_what_is_overdue_and_escalated(browse, live):
    """First due, first shown; lists of their own, with how many there are."""
    now = live.app.clock.now_ms()
    later = waiting(live, "late", reason="due tomorrow", change={"due_at": now + 86_400_000})
    never = waiting(live, "late", reason="never due", change={"due_at": None})
    over = waiting(
        live,
        "late",
        reason="due before",
        change={"due_at": now - 5_000, "escalated_at": now - 4_000, "roles": ("owner",)},
    )
    page = browse("/reviews?workflow=late")
    expect(page.locator("[data-row-link]")).to_have_text(["due before", "due tomorrow", "never due"])
    page.get_by_role("link", name="Overdue 1").click()
    expect(page.locator("[data-row-link]")).to_have_text(["due before"])
    expect(page.get_by_text("escalated to owner")).to_be_visible()
    page.get_by_role("link", name="Escalated 1").click()
    expect(page.locator("#reviews tbody tr")).to_have_count(1)
    assert len({later, never, over}) == 3
    ben = browse("/reviews?workflow=late", "Ben Boyd", Role.REVIEWER)
    expect(ben.get_by_role("link", name="Start reviewing")).to_have_attribute(
        "href", f"/reviews/{later}?workflow=late"
    )


def test_what_is_decided_is_found_again(browse, live, accessible):
    """Newest first, with who decided; its page shows what came of it."""
    review_id = waiting(live, "past")
    live.do(
        live.app.reviews.decide(review_id, "edit", by="Cleo", value={**VALUE, "amount": 7}, note="Seven.")
    )
    page = browse("/reviews?show=decided&workflow=past", theme="dark")
    expect(page.locator("#reviews tbody")).to_contain_text("Cleo")
    page.get_by_role("link", name="confidence").click()
    expect(page.locator("#outcome")).to_contain_text("Cleo edited this")
    expect(page.get_by_role("heading", name="As it was decided")).to_be_visible()
    accessible(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_review_is_accessible(browse, live, accessible, theme):
    """As it arrives, and with an edit under way."""
    page = browse(f"/reviews/{waiting(live, f'axe-{theme}')}", theme=theme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_label(TEXT).fill("Other words")
    expect(page.get_by_label("What you changed")).to_be_visible()
    accessible(page)


def test_a_review_that_is_not_there_and_one_that_may_not_be_seen_read_alike(browse, live):
    """The same words, and the same status."""
    hidden = waiting(live, "secret", tenant="globex")
    page = browse(live.link("Tim Tenant", Grant(Role.REVIEWER, tenant="acme")), java_script_enabled=False)
    page.get_by_role("button", name="Sign in").click()
    page.expected_errors = ("404",)
    said = []
    for review_id in (hidden, f"review_{0:032x}"):
        answer = page.goto(f"/reviews/{review_id}")
        said.append((answer.status, page.locator("main .body p").first.inner_text()))
    assert said[0] == said[1]
    assert said[0][0] == 404
