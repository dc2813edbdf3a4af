"""Shares, outcomes and overrides: what came of a split, and what a change is refused for."""

import re

import pytest
from playwright.sync_api import expect

from roadworthy.access import Role


def test_a_split_is_told_arm_by_arm(browse):
    """Users asked and seen, and what differs from the version that served before, with its interval."""
    page = browse("/prompts/triage")
    split = page.get_by_role("region", name="What came of the split")
    expect(split).to_contain_text("Running")
    assert split.get_by_role("columnheader").all_inner_texts()[1:] == [
        "v2 base",
        "v1",
    ]
    cells = split.get_by_role("row", name="Users").get_by_role("cell")
    users = [int(one.split()[0]) for one in cells.all_inner_texts()]
    assert (len(users), sum(users)) == (2, 16)
    expect(cells.first).to_contain_text("seen, 50% asked")
    cost = split.get_by_role("row", name="Cost per call").get_by_role("cell").last
    expect(cost).to_contain_text(" to ")
    expect(cost.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile("Cost per call of v1 against v2: .+")
    )
    expect(page.locator("h1 + p")).to_contain_text("v1 50% v2 50% serve in development")


def test_what_calls_cost_is_no_outcome_for_a_reviewer(browse):
    """Who may not see costs sees the split without them."""
    page = browse("/prompts/triage", "Rita Reviewer", Role.REVIEWER)
    split = page.get_by_role("region", name="What came of the split")
    expect(split.get_by_role("row", name="Failed")).to_be_visible()
    expect(split).not_to_contain_text("$")


def test_versions_share_until_the_settings_say_again(browse):
    """Shares that make no hundred are refused with all that was typed; then they hold, and are taken back."""
    page = browse("/prompts/hostile", "Olga Owner", Role.OWNER)
    page.expected_errors = ("422",)
    panel = page.get_by_role("region", name="What serves")
    share = panel.locator("form").filter(has_text="Percent of users")
    share.get_by_label("Percent for v1").fill("90")
    share.get_by_label("Percent for v2").fill("20")
    share.get_by_label("Reason").fill("a tenth of them")
    share.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="Share").click()
    expect(page.get_by_role("alert")).to_contain_text("110, not 100 percent")
    expect(share.get_by_label("Percent for v2")).to_have_value("20")
    expect(share.get_by_label("Reason")).to_have_value("a tenth of them")
    share.get_by_label("Percent for v2").fill("10")
    share.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name="Share").click()
    expect(page.get_by_role("status").first).to_have_text("v2 and v1 share who asks in development.")
    expect(panel.locator("tbody tr").first).to_contain_text("v2 10%, v1 90%")
    expect(share.get_by_label("Percent for v1")).to_have_value("90")
    panel.get_by_role("button", name="As the settings say").click()
    page.get_by_role("dialog").get_by_role("button", name="As the settings say").click()
    expect(page.get_by_role("status").first).to_contain_text("v2 serves")
    expect(page.get_by_role("region", name="What came of the split")).to_contain_text("over; begun")


@pytest.fixture(scope="module")
def strict(desk_with):
    """Another desk, where a version takes a passing evaluation, and the newest takes one more input."""
    toned = "---\ninputs: {ticket: str, tone: str}\n---\n# user\n{{ ticket }} {{ tone }}\n"
    return desk_with("[releases]\nrequire_eval = true", {"prompts/triage/v3.md": toned})


def test_a_refusal_names_the_evaluation_and_an_owner_overrides_it(strict, browse, accessible):
    """The command that makes it stands there; an approver is told who may override; an owner does."""
    page = browse("/prompts/triage", "Alva Approver", Role.APPROVER, at=strict)
    refuse(page, "v1")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("triage@v1 has no passing evaluation")
    expect(alert.locator("pre")).to_contain_text("roadworthy eval triage --on v1 --environment development")
    expect(page.get_by_text("let an owner override it")).to_be_visible()
    expect(page.get_by_role("button", name="Override")).to_have_count(0)
    accessible(page)
    page = browse("/prompts/triage", "Olga Owner", Role.OWNER, at=strict)
    refuse(page, "v1")
    page.get_by_label("Why it must serve all the same").fill("v2 is <down>")
    page.get_by_role("button", name="Override").click()
    page.get_by_role("dialog").get_by_role("button", name="Override").click()
    expect(page.get_by_role("status").first).to_have_text("v1 serves in development.")
    panel = page.get_by_role("region", name="What serves")
    for said in ("override", "Olga Owner", "v2 is <down>"):
        expect(panel.locator("tbody tr").first).to_contain_text(said)
    expect(panel.get_by_role("status")).to_contain_text("it does not take the input 'tone', which v3 takes.")
    accessible(page)


def refuse(page, label):
    """Have a promotion refused."""
    page.expected_errors = ("409",)
    panel = page.get_by_role("region", name="What serves")
    panel.get_by_label("Version").select_option(label)
    panel.get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()


def test_a_flag_is_set_changed_and_taken_back(browse):
    """Each change is asked for once more, and stays in the history; what is no share changes nothing."""
    page = browse("/flags", "Olga Owner", Role.OWNER)
    page.expected_errors = ("422",)
    flags = page.get_by_role("region", name="Flags")
    flags.get_by_label("Flag").fill("new-rules")
    flags.get_by_label("Is").fill("on=10 off=80")
    confirm(page, flags.get_by_role("button", name="Set the flag"))
    expect(page.get_by_role("alert")).to_contain_text("90, not 100 percent")
    expect(flags.get_by_label("Flag")).to_have_value("new-rules")
    flags.get_by_label("Is").fill("on=10 off=90")
    confirm(page, flags.get_by_role("button", name="Set the flag"))
    page.wait_for_url("**/flags/flag/new-rules")
    expect(page.get_by_role("status").first).to_have_text("new-rules is on and off in development.")
    panel = page.get_by_role("region", name="What serves")
    panel.get_by_label("Is").fill("on")
    panel.get_by_label("Reason").fill("all is <well>")
    confirm(page, panel.get_by_role("button", name="Set the flag"))
    expect(panel.locator("tbody tr").first).to_contain_text("all is <well>")
    expect(page.get_by_role("region", name="What came of the split")).to_contain_text("over; begun")
    confirm(page, panel.get_by_role("button", name="Take the flag back"))
    expect(page.locator("h1 + p")).to_contain_text("what the code takes as its default")
    expect(panel.locator("tbody tr")).to_have_count(3)


def test_a_flag_tells_what_came_of_its_values(browse):
    """The runs that met each."""
    page = browse("/flags")
    page.get_by_role("link", name="night-shift").click()
    users = page.get_by_role("region", name="What came of the split").get_by_role("row", name="Users")
    assert sum(int(one.split()[0]) for one in users.get_by_role("cell").all_inner_texts()) == 16
    assert page.request.get("/flags/flag/never-set").status == 404
    assert page.request.get("/flags/route/nothing").status == 404


def test_routes_share_until_one_serves_itself_again(browse):
    """From the list of routes, by whoever may switch them; the others see no form."""
    page = browse("/flags", "Otto Operator", Role.OPERATOR)
    row = page.get_by_role("region", name="Routes").get_by_role("row", name="careful")
    expect(row).to_contain_text("careful 90%, default 10%")
    row.get_by_role("link").click()
    panel = page.get_by_role("region", name="What serves")
    panel.get_by_label("Percent for careful").fill("75")
    panel.get_by_label("Percent for default").fill("25")
    confirm(page, panel.get_by_role("button", name="Share between routes"))
    expect(panel.locator("tbody tr").first).to_contain_text("default 25%, careful 75%")
    expect(panel.locator("tbody tr").first).to_contain_text("Otto Operator")
    page = browse("/flags/route/careful", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_role("region", name="What serves")).to_be_visible()
    expect(page.get_by_role("button", name="Share between routes")).to_have_count(0)


def confirm(page, button):
    """Press a button, and say yes to what it asks."""
    button.click()
    page.get_by_role("dialog").get_by_role("button").first.click()
