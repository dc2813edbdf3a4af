"""Evaluations: what was tried, what one says and why, and how it differs from another."""

from playwright.sync_api import expect

from roadworthy.access import Role


def test_the_list_says_what_passed_at_what_cost(browse):
    """The newest first; a suite is chosen by a link."""
    page = browse("/evaluations")
    page.get_by_role("navigation", name="By suite").get_by_role("link", name="triage").click()
    rows = page.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("triage@v2")
    for said in ("triage@v1", "Inconclusive", "75.0%", "51.3% to 89.5%", "development", "$0."):
        expect(rows.nth(1)).to_contain_text(said)
    expect(rows.nth(0)).to_contain_text("Pass")


def test_an_experiment_tells_its_grounds_and_failures_by_category(browse, accessible):
    """The gravest case first, with why it failed; what decides and how many cases more would."""
    page = open_one(browse, "triage@v1")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Inconclusive")
    expect(page.get_by_role("region", name="Why")).to_contain_text("70.0% asked for")
    score = page.get_by_role("region", name="Scores").get_by_role("row", name="exact")
    expect(score).to_contain_text("9 of 12, 46.8% to 91.1%")
    failures = page.get_by_role("region", name="Failures by category")
    expect(failures.locator("summary")).to_have_text("wrong desk 3 cases")
    first = failures.locator("tbody tr").first
    expect(first).to_contain_text("ticket-07")
    expect(first).to_contain_text("expected {'kind': 'delivery'}")
    expect(page.get_by_role("region", name="Compared")).to_contain_text("no baseline")
    accessible(page)


def test_two_experiments_differ_case_by_case(browse, accessible):
    """By a key, with both answers side by side; else it is held against its baseline."""
    page = open_one(browse, "triage@v2")
    compared = page.get_by_role("region", name="Compared")
    expect(compared).to_contain_text("0 of 12 cases are worse and 3 better")
    expect(compared).to_contain_text("ticket-11")
    compared.get_by_label("Held against").select_option(index=1)
    page.keyboard.press("d")
    expect(compared.get_by_role("heading", level=2)).to_contain_text("triage@v1")
    expect(compared.locator(".differs ins").first).to_have_text("delivery")
    expect(compared.locator(".moved .state")).to_have_text(["Better"] * 3)
    accessible(page)


def test_without_content_an_experiment_shows_no_answers(browse):
    """A viewer sees figures and categories; what is not there is not found."""
    page = open_one(browse, "triage@v1", "Vera Viewer", Role.VIEWER)
    failures = page.get_by_role("region", name="Failures by category")
    expect(failures).to_contain_text("ticket-07")
    expect(failures).not_to_contain_text("delivery")
    none = "exp_" + "0" * 32
    assert page.request.get(f"/evaluations/{none}").status == 404
    assert page.request.get(f"{page.url}?against={none}").status == 404


def open_one(browse, variant, *who):
    """The page of the experiment on a variant."""
    page = browse("/evaluations?suite=triage", *who)
    page.locator("tbody tr").filter(has_text=variant).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(variant)
    return page
