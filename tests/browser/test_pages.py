"""Every page: accessible in light and dark, by keyboard, narrow and wide, and strict about what it loads."""

import pytest
from playwright.sync_api import expect

PAGES = (
    "/",
    "/runs",
    "/reviews",
    "/costs",
    "/costs?by=day&period=month",
    "/prompts",
    "/prompts/draft-reply",
    "/prompts/draft-reply?from=v1&to=v2",
    "/prompts/triage",
    "/evaluations",
    "/flags",
    "/flags/flag/night-shift",
    "/flags/route/careful",
    "/audit",
    "/audit?entry=1",
    "/settings",
    "/settings/people",
    "/settings/keys",
    "/settings/roles",
)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible(browse, accessible, path, theme):
    """Axe finds nothing, on the page as it arrives."""
    page = browse(path, theme=theme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    accessible(page)


@pytest.mark.parametrize("path", PAGES)
def test_a_narrow_page_does_not_scroll_sideways(browse, path):
    """Tables scroll in their place; the page does not."""
    page = browse(path, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_took_time(browse, path):
    """In `Server-Timing`, where the browser's tools show it."""
    page = browse(path)
    names = page.evaluate("performance.getEntriesByType('navigation')[0].serverTiming.map(one => one.name)")
    assert names == ["db", "render", "total"]


def test_the_first_tab_skips_to_the_content(browse):
    """Whoever has no pointer need not pass the menu each time."""
    page = browse("/runs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_theme_that_was_chosen_stays(browse):
    """Also on the next page, from its first paint on."""
    page = browse("/runs")
    page.get_by_role("button", name="Light or dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_keys_are_listed_by_a_question_mark(browse, accessible):
    """What the page knows, each beside what it does; Escape closes it."""
    page = browse("/runs")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Filter runs")
    accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_two_keys_in_a_row_lead_to_another_page(browse):
    """`g r` is the list of runs."""
    page = browse("/runs?q=status:dead")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs")
