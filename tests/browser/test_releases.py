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
        "v2 the others are held against it",
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
    """Another desk, where a version takes a passing evaluation."""
    return desk_with("[releases]\nrequire_eval = true")


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
    newest = page.get_by_role("region", name="What serves").locator("tbody tr").first
    for said in ("override", "Olga Owner", "v2 is <down>"):
        expect(newest).to_contain_text(said)


def refuse(page, label):
    """Have a promotion refused."""
    page.expected_errors = ("409",)
    panel = page.get_by_role("region", name="What serves")
    panel.get_by_label("Version").select_option(label)
    panel.get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
