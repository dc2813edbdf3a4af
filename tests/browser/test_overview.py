"""The overview: what needs a person, figures that open lists, and what a fresh project is told."""

import re

import sqlalchemy as sa
from playwright.sync_api import expect

from roadworthy.access import Grant, Role
from roadworthy.db.tables.models import model_health
from roadworthy.db.tables.review import review_items, review_quality


def test_what_needs_a_person_comes_first_and_leads_there(browse):
    """A run that died is counted, with its kind of error, and its list is one click away."""
    page = browse("/")
    needs = page.get_by_role("region", name="Needs a person")
    expect(needs.get_by_text("LookupError")).to_be_visible()
    needs.get_by_role("link", name=re.compile("died in the last 24 hours")).click()
    page.wait_for_url(re.compile(r"/runs\?q=status%3Adead"))
    expect(page.locator("tbody")).to_contain_text("There is no order for <b>lost order 7</b>")


def test_what_needs_a_person_is_live(browse, live):
    """A run that dies while the page is open is counted there; a link that had the focus keeps it."""
    page = browse("/")
    needs = page.get_by_role("region", name="Needs a person")
    died = needs.get_by_role("link", name=re.compile("died in the last 24 hours"))
    before = int(died.inner_text().split()[0])
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    died.focus()
    live.until(live.start("answer_ticket", ticket="lost order 8"), "dead")
    expect(died).to_have_text(re.compile(rf"^{before + 1} runs died"))
    expect(died).to_be_focused()


def test_everything_that_may_be_wrong_is_told(browse, live):
    """Overdue reviews, alarms of the sampling, models left alone, budgets nearly spent, workers gone."""
    environment, now_ms = live.app.settings.environment, live.app.clock.now_ms()

    of_refunds = review_items.c.workflow == "refund"
    quality = {"reviewed": 0, "errors": 0, "upper": 1.0, "scores": "[0,0,0]", "reviewed_in_all": 9}
    quality |= {"errors_in_all": 4, "alarms": 1, "alarm_at": now_ms, "updated_at": now_ms}
    named = {"environment": environment, "workflow": "answer_ticket", "prompt_version": "draft-reply@v2"}
    left_alone = {"environment": environment, "model": "second", "state": "open", "by": "test"}
    left_alone |= {"open_until_ms": now_ms + 90_000, "updated_at": now_ms}

    def spoil(tx):
        tx.execute(sa.update(review_items).where(of_refunds).values(due_at=now_ms - 9_000_000))
        tx.execute(sa.insert(review_quality).values(**named, **quality))
        tx.execute(sa.insert(model_health).values(**left_alone))

    def mend(tx):
        tx.execute(sa.delete(review_quality).where(review_quality.c.alarm_at == now_ms))
        tx.execute(sa.delete(model_health).where(model_health.c.by == "test"))
        tx.execute(sa.update(review_items).where(of_refunds).values(due_at=now_ms + 9_000_000))

    live.do(live.app.database.write(spoil))
    try:
        needs = browse("/").get_by_role("region", name="Needs a person")
        expect(needs).to_contain_text(re.compile(r"\d+ reviews? (is|are) overdue"))
        expect(needs).to_contain_text("More automatic decisions of answer_ticket are wrong than before")
        expect(needs).to_contain_text("Model second is left alone")
        viewer = browse("/", "Nadia Narrow", Role.REVIEWER).get_by_role("region", name="Needs a person")
        expect(viewer).to_contain_text("overdue")
        expect(viewer).not_to_contain_text("left alone")
    finally:
        live.do(live.app.database.write(mend))


def test_each_figure_opens_a_list(browse):
    """Costs, spending against the cap, latency and acceptance."""
    page = browse("/")
    for label, address in (
        ("Cost per request", r"/costs\?by=prompt"),
        ("Spend this month", r"/costs\?by=day&period=month"),
        ("p95 latency", r"/runs\?q=since%3A7d"),
        ("Accepted unedited", r"/reviews"),
    ):
        card = page.locator("a.figure", has_text=label)
        expect(card).to_have_attribute("href", re.compile(address))
    expect(page.locator("a.figure", has_text="Spend this month")).to_contain_text("of $4,000")


def test_a_reviewer_sees_no_costs(browse):
    """Whose role has no costs is shown neither figures nor charts of them."""
    page = browse("/", "Rita Reviewer", Role.REVIEWER)
    expect(page.locator("a.figure", has_text="p95 latency")).to_be_visible()
    expect(page.get_by_text("Cost per request")).to_have_count(0)
    expect(page.get_by_text("Spend this month")).to_have_count(0)


def test_where_nothing_has_run_the_first_steps_are_told(browse, accessible):
    """Each with what to type, and a button that copies it; so for whoever may see nothing yet."""
    page = browse("/", "Nora Nowhere", Grant(Role.VIEWER, tenant="nobody-yet"))
    expect(page.get_by_role("heading", name="The first three steps")).to_be_visible()
    command = """roadworthy run answer_ticket --input '{"ticket": "…"}'"""
    expect(page.locator("pre", has_text=command)).to_be_visible()
    accessible(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").last.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "roadworthy keys create shop"
