"""Prompts: which version serves, what each was used for, what differs between two, and what is fenced."""

from playwright.sync_api import expect

from roadworthy.access import Role


def test_the_list_says_which_version_serves_and_what_it_costs(browse):
    """With the figures of the last days, and a link to each prompt."""
    page = browse("/prompts")
    row = page.locator("tbody tr").filter(has_text="draft-reply")
    expect(row).to_contain_text("v2")
    expect(row).to_contain_text("default")
    expect(row).to_contain_text("$0.")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("draft-reply")
    expect(page.locator("tr.current")).to_contain_text("serves")


def test_two_versions_stand_side_by_side(browse):
    """By a key; the words that differ are marked, and the address can be sent to somebody."""
    page = browse("/prompts/draft-reply")
    page.keyboard.press("d")
    page.wait_for_url("**/prompts/draft-reply?from=v1&to=v2")
    expect(page.locator("tr.differs")).to_have_count(1)
    expect(page.locator("tr.differs ins").first).to_contain_text("in at")
    expect(page.locator("tr.differs td").nth(1)).to_have_text("Answer the customer politely.")
    page.get_by_role("link", name="Show v2 alone").click()
    expect(page.get_by_role("heading", name="System line 6")).to_be_visible()


def test_the_same_version_twice_differs_in_nothing(browse):
    """And the page says so."""
    page = browse("/prompts/draft-reply?from=v2&to=v2")
    expect(page.get_by_text("The two are the same.")).to_be_visible()


def test_what_text_from_outside_comes_in_through_is_marked(browse):
    """A number carries no instruction and needs no fence; markup in a prompt is text."""
    page = browse("/prompts/hostile?v=v1")
    expect(page.locator("mark.fenced")).to_have_text("{{ ticket }}")
    expect(page.locator("mark.trusted")).to_have_text("{{ count }}")
    expect(page.locator("pre").first).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.locator("main img, main script")).to_have_count(0)


def test_a_difference_of_markup_is_text(browse):
    """On both sides."""
    page = browse("/prompts/hostile?from=v1&to=v2")
    expect(page.locator("tr.differs").last).to_contain_text("<script>alert(2)</script>")
    expect(page.locator("main img, main script")).to_have_count(0)


def test_what_answers_are_checked_against_is_shown(browse):
    """The schema of the code's type."""
    page = browse("/prompts/draft-reply")
    expect(page.get_by_role("region", name="Answer")).to_contain_text('"confidence"')


def test_a_reviewer_sees_prompts_without_what_they_cost(browse):
    """Who may not see costs is told no figures; what does not exist is not there."""
    page = browse("/prompts", "Rita Reviewer", Role.REVIEWER)
    expect(page.get_by_role("columnheader", name="Cost")).to_have_count(0)
    expect(page.locator("main")).not_to_contain_text("$")
    assert page.request.get("/prompts/nothing").status == 404
    assert page.request.get("/prompts/draft-reply?v=v9").status == 404
    assert page.request.get("/prompts/draft-reply?from=v1&to=v9").status == 404


def test_a_version_is_promoted_and_rolled_back(browse):
    """The dialog names both versions; the page says what serves then, by whom, and why."""
    page = browse("/prompts/draft-reply", "Olga Owner", Role.OWNER)
    panel = page.locator("section", has=page.get_by_role("heading", name="What serves"))
    panel.get_by_label("Version").select_option("v1")
    panel.get_by_label("Reason").first.fill("v2 <rambles>")
    panel.get_by_role("button", name="Promote").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(page.get_by_role("status").first).to_contain_text("v1 serves")
    expect(panel).to_contain_text("v2 <rambles>")
    panel.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("status").first).to_contain_text("v2 serves")
    expect(panel.locator("tbody tr").first).to_contain_text("rollback")


def test_whoever_may_not_promote_sees_no_form(browse):
    """The history is there for everybody who sees prompts."""
    page = browse("/prompts/draft-reply", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_role("heading", name="What serves")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
