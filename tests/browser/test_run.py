"""One run: what it did and when, each step opened, what can be done with it, and who sees what."""

import re

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from roadworthy.access import Grant, Role
from roadworthy.dashboard.queries.run import PAGE
from roadworthy.db.tables.workflows import steps
from roadworthy.review.feedback import Feedback, Subject
from roadworthy.workflows import Filter


@pytest.fixture
def a_run(live):
    """The id of a run of a workflow that stands so, from what a morning left."""

    def find(workflow, status):
        return live.do(live.app.runs.find(Filter(workflow=workflow, status=(status,)), limit=1))[0].id

    return find


def row(page, name):
    """A step in the timeline."""
    return page.locator("a.row").filter(has_text=name).first


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_run_tells_what_it_did(browse, accessible, a_run, theme):
    """In the order of its steps, with what it waits for and the review that it waits for."""
    page = browse(f"/runs/{a_run('refund', 'waiting')}", theme=theme)
    expect(page.locator("a.row .name")).to_have_text(
        [re.compile("draft-reply"), re.compile("decide draft-reply"), re.compile("wait for the review")]
    )
    expect(page.get_by_role("region", name="Timeline")).to_contain_text("waits for a person's decision")
    expect(page.get_by_role("link", name="Open the review")).to_have_attribute(
        "href", re.compile(r"^/reviews/review_[0-9a-f]{32}$")
    )
    accessible(page)


def test_a_step_opens_in_place(browse, accessible, a_run):
    """By pointer or keyboard; the address says what is open, and the way back is the browser's."""
    address = f"/runs/{a_run('refund', 'waiting')}"
    page = browse(address)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    opened = page.get_by_role("region", name="draft-reply")
    expect(opened).to_contain_text("Answer the customer politely, in at most five sentences.")
    expect(row(page, "draft-reply")).to_be_focused()
    for tab, said in (
        ("Raw output", '"chat.completion"'),
        ("Validation", "passed form and checks"),
        ("Cost", "openai-compatible"),
    ):
        opened.get_by_role("link", name=tab, exact=True).click()
        expect(opened).to_contain_text(said)
        accessible(page)
    expect(page).to_have_url(re.compile(r"step=step_[0-9a-f]{32}&tab=cost$"))
    page.reload()
    expect(opened).to_contain_text("openai-compatible")
    row(page, "decide draft-reply").click()
    decision = page.get_by_role("region", name="decide draft-reply")
    expect(decision).to_contain_text("edge case: refund above 250")
    decision.get_by_role("link", name="Passages").click()
    expect(decision.get_by_role("link", name="https://shop.example/terms")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(opened).to_contain_text("openai-compatible")


def test_a_run_without_script_is_the_same(browse, a_run, chromium, live, signed_in):
    """Links are links: a step opens as a page."""
    context = chromium.new_context(
        base_url=live.url, storage_state=signed_in(live, "Ann Smith"), java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"/runs/{a_run('refund', 'waiting')}")
    row(page, "draft-reply").click()
    expect(page.get_by_role("region", name="draft-reply")).to_contain_text("Answer the customer politely")
    context.close()


def test_what_failed_is_told_and_led_to(browse, a_run):
    """The error as text, whatever it says; the bar keeps its colour and gets an edge."""
    page = browse(f"/runs/{a_run('answer_ticket', 'dead')}")
    told = page.locator(".said.bad").first
    expect(told).to_contain_text("LookupError: There is no order for <b>lost order")
    told.get_by_role("link", name="look_up").click()
    expect(page.get_by_role("region", name="look_up")).to_contain_text("step 1")
    expect(row(page, "look_up").locator("svg")).to_have_class("span step failed")


def test_retries_and_children_stand_below_their_step(browse, live):
    """A child leads to its own page, and from there back."""
    parent = live.start("sort_mail", tickets=["stuck parcel"])
    live.until(parent, "succeeded")
    page = browse(f"/runs/{parent}")
    page.get_by_role("region", name="Timeline").get_by_role("link", name="sort_ticket Succeeded").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("sort_ticket")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.locator(".row.under .name")).to_have_text(
        [re.compile(r"attempt 1\s+OSError"), re.compile(r"attempt 2\s+OSError"), re.compile("attempt 3")]
    )
    row(page, "open_shelf").click()
    expect(page.get_by_role("region", name="open_shelf")).to_contain_text(
        "The shelf of stuck parcel is stuck"
    )
    page.get_by_role("region", name="About").get_by_role("link").click()
    expect(page).to_have_url(f"{live.url}/runs/{parent}")


def test_a_signal_is_sent_by_hand(browse, live):
    """After a question; what is no JSON is told, and the page follows the run to its end by itself."""
    run_id = live.start("wait_for_stock", item="sofa")
    live.until(run_id, "waiting")
    page = browse(f"/runs/{run_id}")
    send = page.get_by_role("button", name="Send signal")
    page.get_by_label("What it carries, as JSON").fill("{no json")
    send.click()
    page.expected_errors = ("422",)
    page.get_by_role("dialog").get_by_role("button", name="Send signal").click()
    expect(page.get_by_text("What the signal is to carry is no JSON.")).to_be_visible()
    page.goto(f"/runs/{run_id}?tab=output")
    page.get_by_label("What it carries, as JSON").fill('{"pieces": 3}')
    send.click()
    page.get_by_role("dialog").get_by_role("button", name="Send signal").click()
    expect(page.get_by_text("The signal 'sofa' was sent.")).to_be_visible()
    expect(page.locator(".head .state")).to_have_text("Succeeded")
    expect(page.get_by_role("region", name="The run")).to_contain_text('"pieces": 3')


def test_a_run_goes_on_while_somebody_looks(browse, live):
    """The tab that is open stays open, and the focus stays where it is."""
    run_id = live.start("wait_for_stock", item="desk")
    live.until(run_id, "waiting")
    page = browse(f"/runs/{run_id}?tab=input")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    row(page, "wait for desk").focus()
    live.do(live.app.runs.signal(run_id, "desk", "here"))
    expect(page.locator(".head .state")).to_have_text("Succeeded")
    expect(row(page, "wait for desk")).to_be_focused()
    expect(page.locator("#tab-input")).to_have_attribute("aria-current", "true")
    expect(page.locator("#live")).to_have_text("Ended")


def test_a_run_is_cancelled_resumed_and_replayed(browse, live):
    """What cannot be undone is asked before; a new run says of which it is a replay."""
    run_id = live.start("wait_for_stock", item="shelf")
    live.until(run_id, "waiting")
    page = browse(f"/runs/{run_id}")
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep as it is").click()
    expect(page.locator(".head .state")).to_have_text("Waiting")
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel run").click()
    expect(page.get_by_text("Cancelled.", exact=True)).to_be_visible()
    row(page, "wait for shelf").click()
    page.get_by_role("button", name="Resume from here").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume from here").click()
    expect(page.get_by_text("It goes on from step 1.")).to_be_visible()
    page.get_by_text("1 earlier try, set aside").click()
    expect(page.locator(".set-aside a.row")).to_contain_text("wait for shelf")
    live.until(run_id, "waiting")
    live.do(live.app.runs.cancel(run_id))
    live.until(run_id, "cancelled")
    page.goto(f"/runs/{run_id}")
    row(page, "wait for shelf").click()
    page.get_by_role("button", name="Replay from here").click()
    page.get_by_role("dialog").get_by_role("button", name="Replay from here").click()
    expect(page.get_by_text("Started again, as this new run.")).to_be_visible()
    about = page.get_by_role("region", name="About")
    expect(about.get_by_role("link")).to_have_attribute("href", f"/runs/{run_id}")


def test_what_users_said_stands_beside(browse, live, a_run):
    """With their words for whoever may see content, else without."""
    run_id = a_run("answer_ticket", "dead")
    said = Feedback(id="", subject=Subject(run_id), rating=-1, comment="Nobody <b>answered</b>.", by="tester")
    live.do(live.app.feedback.give(said))
    page = browse(f"/runs/{run_id}")
    expect(page.get_by_role("region", name="Feedback")).to_contain_text("Nobody <b>answered</b>.")
    page = browse(f"/runs/{run_id}", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_role("region", name="Feedback")).to_contain_text("not good")
    assert "Nobody" not in page.content()


def test_content_takes_its_permission(browse, a_run):
    """A viewer sees when and at what cost, and neither what was sent nor what came back."""
    run_id = a_run("refund", "waiting")
    page = browse(f"/runs/{run_id}?tab=input", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_role("region", name="The run")).to_contain_text("takes the permission runs.content")
    row(page, "draft-reply").click()
    for tab in ("Prompt", "Raw output", "Output", "Input"):
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.locator("#opened")).to_contain_text("takes the permission runs.content")
    row(page, "decide").click()
    page.get_by_role("link", name="Passages").click()
    expect(page.locator("#opened")).to_contain_text("takes the permission runs.content")
    assert "lease 9" not in page.content()
    expect(page.get_by_role("button", name="Cancel run")).to_have_count(0)


def test_a_run_that_may_not_be_seen_is_none(browse, live, a_run):
    """One of another tenant reads as one that does not exist, to the letter."""
    page = browse("/runs", "Olga Operator", Role.OPERATOR)
    page.goto(live.link("Tara Tenant", Grant(Role.OPERATOR, tenant="acme")))
    page.get_by_role("button", name="Sign in").click()
    page.expected_errors = ("404",)
    told = []
    for run_id in (a_run("refund", "waiting"), "run_" + "0" * 32, "nothing"):
        page.goto(f"/runs/{run_id}")
        told.append(page.locator(".body p").first.text_content())
    assert told == ["There is nothing here, or nothing that you may see."] * 3


def test_a_long_run_comes_in_pages(browse, live):
    """However many steps there are, a page has so many and no more."""
    run_id = live.start("wait_for_stock", item="ship")
    live.until(run_id, "waiting")

    def lengthen(tx):
        known = dict(tx.execute(sa.select(steps).where(steps.c.run_id == run_id)).mappings().one())
        numbers = range(2, PAGE + 10)
        tx.execute(
            sa.insert(steps),
            [{**known, "id": f"step_{n:032x}", "position": n, "name": f"part {n}"} for n in numbers],
        )

    live.do(live.app.database.write(lengthen))
    page = browse(f"/runs/{run_id}")
    expect(page.locator("a.row")).to_have_count(PAGE)
    page.keyboard.press("n")
    expect(page.locator("a.row")).to_have_count(9)
    expect(row(page, f"part {PAGE + 1}")).to_be_visible()
    page.get_by_role("link", name="Earlier steps").click()
    expect(page.locator("a.row")).to_have_count(PAGE)


def test_a_narrow_page_does_not_scroll_sideways(browse, a_run):
    """Tables and tabs scroll in their place."""
    page = browse(f"/runs/{a_run('refund', 'waiting')}", viewport={"width": 390, "height": 844})
    row(page, "draft-reply").click()
    page.get_by_role("link", name="Cost", exact=True).click()
    expect(page.get_by_role("region", name="draft-reply")).to_contain_text("openai-compatible")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
