"""The list of runs: filtered by typing, followed live, and what is done with many at once."""

import re

from playwright.sync_api import expect

from roadworthy.access import Role


def test_a_filter_is_typed_with_suggestions(browse):
    """By arrows and Enter; the address is the state, so that it can be sent to somebody."""
    page = browse("/runs")
    page.keyboard.press("/")
    page.keyboard.type("sta")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("dea")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs\?q=status%3Adead"))
    expect(page.locator("tbody").get_by_text("Succeeded")).to_have_count(0)
    expect(page.locator("tbody")).to_contain_text("There is no order for <b>lost order 7</b>")


def test_what_is_not_understood_is_told(browse):
    """Nothing is left out silently."""
    page = browse("/runs?q=stattus:dead")
    expect(page.get_by_role("alert")).to_contain_text("There is no filter 'stattus'. Did you mean 'status'?")


def test_a_new_run_appears_by_itself(browse, live):
    """And is told, not shown, while somebody is on the list."""
    page = browse("/runs?q=workflow:wait_for_stock")
    expect(page.get_by_role("status").filter(has_text="Live")).to_have_attribute("data-state", "live")
    before = page.locator("tbody tr").count()
    live.start("wait_for_stock", item="table")
    expect(page.locator("tbody tr")).to_have_count(before + 1)
    page.locator("tbody tr").first.hover()
    live.start("wait_for_stock", item="bench")
    shown = page.get_by_role("button", name=re.compile("changed: show"))
    expect(shown).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(before + 1)
    shown.click()
    expect(page.locator("tbody tr")).to_have_count(before + 2)


def test_chosen_runs_are_cancelled_together(browse, live):
    """The page says how many; what was chosen while the list moves stays chosen."""
    ids = [live.start("wait_for_stock", item=f"lamp {number}") for number in range(2)]
    for run_id in ids:
        live.until(run_id, "waiting")
    page = browse("/runs?q=workflow:wait_for_stock")
    for run_id in ids:
        page.get_by_role("checkbox", name=f"Select {run_id}").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("2 runs cancelled.")).to_be_visible()
    assert {live.until(run_id, "cancelled").status.value for run_id in ids} == {"cancelled"}
    page.reload()
    expect(page.get_by_text("2 runs cancelled.")).to_have_count(0)


def test_rows_are_walked_by_keys(browse):
    """`j` and `k`; Enter opens the run."""
    page = browse("/runs")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("[data-row-link]").nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator("[data-row-link]").nth(0)).to_be_focused()


def test_a_viewer_is_offered_nothing_that_a_viewer_may_not_do(browse):
    """No boxes, no actions, no pages without a permission."""
    page = browse("/runs", "Vera Viewer", Role.VIEWER)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)


def test_nothing_found_and_nothing_there_say_what_to_do(browse):
    """An empty list is no dead end."""
    page = browse("/runs?q=user:nobody")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.get_by_role("link", name="Show all runs").click()
    expect(page.locator("tbody tr").first).to_be_visible()


def test_all_that_match_are_more_than_the_page(browse, live):
    """One box and one word reach every run that fits the filter, and no other."""
    ids = [live.start("wait_for_stock", item=f"cup {number}", tenant="cups") for number in range(52)]
    other = live.start("wait_for_stock", item="plate", tenant="plates")
    for run_id in (*ids, other):
        live.until(run_id, "waiting")
    page = browse("/runs?q=tenant:cups")
    page.locator("[data-select]").first.check()
    page.get_by_role("checkbox", name="all that match").check()
    page.get_by_role("button", name="Cancel").click()
    asked = page.get_by_role("dialog", name="every run that matches")
    asked.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("52 runs cancelled.")).to_be_visible()
    for run_id in ids:
        live.until(run_id, "cancelled")
    live.until(other, "waiting")


def test_costs_and_times_are_filtered_by(browse):
    """At least so many dollars, at least so many seconds."""
    page = browse("/runs?q=workflow:refund cost:>0.05")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto("/runs?q=workflow:refund cost:>1000")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page.goto("/runs?q=status:dead seconds:>0")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.goto("/runs?q=status:dead seconds:>100000")
    expect(page.get_by_text("No run matches.")).to_be_visible()
