"""Costs and budgets: one address is one view, and nobody sees what is not theirs."""

import csv
import io
import re

from playwright.sync_api import expect

from roadworthy.access import Grant, Role


def test_a_view_is_one_address(browse):
    """What tells costs apart, the time, and the part that is looked at; each changes alone."""
    page = browse("/costs")
    page.get_by_role("navigation", name="Told apart by").get_by_role("link", name="Model").click()
    page.wait_for_url("**/costs?by=model")
    page.get_by_role("navigation", name="Time").get_by_role("link", name="7 days").click()
    page.wait_for_url("**/costs?by=model&period=7d")
    expect(page.get_by_role("region", name="By model")).to_contain_text("first")
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")


def test_a_row_leads_to_what_it_is_made_of(browse):
    """A workflow to its prompts; the filter is taken away by one click."""
    page = browse("/costs")
    page.get_by_role("link", name="answer_ticket", exact=True).click()
    page.wait_for_url(re.compile(r"/costs\?workflow=answer_ticket&by=prompt"))
    table = page.get_by_role("region", name="By prompt")
    expect(table).to_contain_text("draft-reply@v2")
    expect(table).to_contain_text("classify@v1")
    page.get_by_role("link", name="Without workflow: answer_ticket").click()
    page.wait_for_url("**/costs?by=prompt")


def test_shares_add_up_and_the_dearest_run_is_one_click_away(browse):
    """The rows come to the whole; a run's link opens it."""
    page = browse("/costs?by=prompt")
    shares = page.get_by_role("region", name="By prompt").locator("td.share")
    told = [float(text.strip().rstrip("%")) for text in shares.all_inner_texts()]
    assert 99.7 <= sum(told) <= 100.3
    dearest = page.locator("section", has=page.get_by_role("heading", name="Dearest runs"))
    expect(dearest.get_by_role("link").first).to_have_attribute(
        "href", re.compile(r"^/runs/run_[0-9a-f]{32}$")
    )


def test_budgets_say_what_is_left(browse):
    """Each account with its limit, what is taken of it, and when it begins anew."""
    table = browse("/costs").get_by_role("region", name="Budgets")
    monthly = table.locator("tr", has_text="monthly")
    expect(monthly).to_contain_text("$4,000.00")
    expect(monthly).to_contain_text(re.compile(r"in \d+ (d|h|min|s)"))
    expect(table.locator("tr", has_text="acme")).to_contain_text("$500.00")


def test_the_same_view_as_comma_separated_values(browse):
    """By an address beside it, with exact dollars."""
    page = browse("/costs?by=tenant")
    address = page.get_by_role("link", name="Export CSV").get_attribute("href")
    answer = page.request.get(address)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = {row["tenant"]: row for row in csv.DictReader(io.StringIO(answer.text()))}
    assert float(rows["acme"]["cost_usd"]) > 0
    assert int(rows[""]["calls"]) > int(rows["acme"]["calls"])


def test_somebody_of_one_tenant_sees_that_tenant_only(browse):
    """No other tenant's costs, runs or budgets, and nothing of the whole environment."""
    page = browse("/", "Axel of acme", Grant(Role.VIEWER, tenant="acme"))
    expect(page.locator("a.figure", has_text="Spend this month")).not_to_contain_text("of $4,000")
    page.goto("/costs?by=tenant")
    table = page.get_by_role("region", name="By tenant")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table).to_contain_text("acme")
    expect(page.get_by_role("heading", name="Budgets", exact=True)).to_have_count(0)
    assert "(none)" not in page.content()
    found = page.request.get("/costs.csv?by=tenant").text().splitlines()
    assert [line.split(",")[0] for line in found] == ["tenant", "acme"]


def test_what_the_page_does_not_know_is_refused(browse):
    """Another dimension is no page of zeros."""
    page = browse("/costs?tenant=nobody")
    expect(page.get_by_text("No calls in this time.")).to_be_visible()
    answer = page.request.get("/costs?by=moon")
    assert answer.status == 422
    assert "does not understand" in answer.text()
