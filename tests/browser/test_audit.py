"""The audit log: filtered by typing, opened by entry, verified; each sees what belongs to them."""

import re

import pytest
from playwright.sync_api import expect

from roadworthy.access import Grant, Role

TENANTS = ("Tom Tenant", Grant(Role.OWNER, tenant="acme"))


def test_a_filter_is_typed_and_what_is_not_understood_is_told(browse):
    """Actions by their beginnings; a word alone is asked about."""
    page = browse("/audit")
    page.keyboard.press("/")
    page.keyboard.type("action:person.ad")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"action%3Aperson\.added"))
    expect(page.locator("tbody tr").first).to_contain_text("person.added")
    page.goto("/audit?q=action:persn.added")
    expect(page.get_by_role("alert")).to_contain_text("There is no action 'persn.added'")
    page.goto("/audit?q=Ann")
    expect(page.get_by_role("alert")).to_contain_text("actor:Ann")


def test_an_entry_opens_with_its_place_in_the_chain(browse):
    """Its hash is recomputed; the one before it is a link away."""
    page = browse("/audit?q=action:person.added")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    entry = page.get_by_role("region", name=re.compile("^Entry"))
    expect(entry).to_contain_text("as it was written")
    expect(entry.locator("dd.mono").filter(has_text=re.compile(r"^[0-9a-f]{64}$")).first).to_be_visible()
    page.keyboard.press("x")
    expect(entry).to_have_count(0)


def test_the_chain_is_verified(browse):
    """And the page says when, how much, and that nothing signs it."""
    page = browse("/audit")
    page.get_by_role("button", name="Verify the chain").click()
    said = page.get_by_role("status").filter(has_text="Verified")
    expect(said).to_contain_text("entries are as they were written.")
    expect(said).to_contain_text("They are not signed")


def test_a_refusal_is_told_apart(browse):
    """Somebody who shows a link that is none is on the log in another colour."""
    page = browse("/audit")
    assert page.request.post("/sign-in", form={"token": "rwl_made-up"}).status == 401
    page.goto("/audit?q=outcome:refused")
    expect(page.locator("tr.refused").first).to_contain_text("sign_in.refused")


def test_a_name_of_markup_is_text(browse, live):
    """In the list and in the entry."""
    live.link("<img src=x onerror=alert(1)>", Grant(Role.VIEWER))
    page = browse("/audit?q=action:person.added")
    page.goto("/audit?q=%3Cimg%20src=x%20onerror=alert(1)%3E")
    expect(page.get_by_role("alert")).to_contain_text("<img")
    expect(page.locator("main img")).to_have_count(0)


def test_a_tenants_owner_sees_what_belongs_to_the_tenant(browse, live):
    """Nobody else's entries, by list or by number; neither is the whole log theirs to verify."""
    page = browse("/audit", *TENANTS)
    expect(page.get_by_text("Nothing was done yet that you may see.")).to_be_visible()
    expect(page.get_by_role("button", name="Verify the chain")).to_have_count(0)
    assert page.request.get("/audit?entry=1").status == 404
    assert page.request.get("/audit?entry=999999").status == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
def test_whoever_may_not_see_it_does_not(browse, role):
    """Neither the page nor a way to verify it."""
    page = browse("/runs", f"No {role} of the log", role)
    assert page.request.get("/audit").status == 403
    assert page.request.post("/audit/verify").status == 403
