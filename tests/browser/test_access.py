"""Settings and access: who may do what, secrets that are shown once, and nobody gives more than they have."""

import re

import pytest
from playwright.sync_api import expect

from roadworthy.access import Grant, Role

ACME = ("Tia Tenant", Grant(Role.OWNER, tenant="acme"))
HOSTILE = "<img src=x onerror=alert(1)>"


def made_key(page, name):
    """The secret of a key that is made by hand."""
    page.goto("/settings/keys")
    page.get_by_label("What it is for").fill(name)
    page.get_by_role("button", name="Make").click()
    return page.locator("#secret").inner_text()


def test_settings_say_who_said_them(browse):
    """With file and line; defaults are shown when asked for."""
    page = browse("/settings")
    row = page.locator(".in-force tr").filter(has_text="draft-reply.version")
    expect(row).to_contain_text("roadworthy.toml:23")
    expect(page.get_by_role("region", name="Workers")).to_contain_text("1 alive")
    expect(page.get_by_role("region", name="Readiness")).to_contain_text("Every part is ready")
    page.get_by_role("link", name="With defaults").click()
    page.get_by_label("Filter settings by name").fill("durability")
    page.keyboard.press("Enter")
    expect(page.locator(".in-force tr").filter(has_text="durability")).to_contain_text("default")


def test_a_person_is_added_given_a_role_and_let_in(browse, chromium, live):
    """The link signs them in once; what they may do is theirs from then on."""
    page = browse("/settings/people")
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.locator("main img")).to_have_count(0)
    page.get_by_label("Role").select_option("reviewer")
    page.get_by_label("Workflow").select_option("refund")
    page.get_by_role("button", name="Give").click()
    expect(page.get_by_text("is now reviewer of workflow 'refund'")).to_be_visible()
    page.get_by_role("button", name="Sign-in link").click()
    link = page.locator("#secret").inner_text()
    path = link.removeprefix(live.app.address)
    assert path.startswith("/sign-in?token=rwl_")
    context = chromium.new_context()
    theirs = context.new_page()
    theirs.goto(f"{live.url}{path}")
    theirs.get_by_role("button", name="Sign in").click()
    expect(theirs).to_have_url(f"{live.url}/")
    assert theirs.request.get(f"{live.url}/settings").status == 403
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("is disabled, and every session has ended")).to_be_visible()
    assert theirs.request.get(f"{live.url}/v1/runs").status == 401
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("may sign in again")).to_be_visible()
    page.get_by_role("button", name="Take reviewer of workflow 'refund'").click()
    page.get_by_role("dialog").get_by_role("button", name="Take").click()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    context.close()


def test_a_key_is_shown_once(browse, live):
    """No address, cookie, or page after it has it; loading the page again makes no other one."""
    page = browse("/settings/keys")
    secret = made_key(page, "shown once")
    assert page.request.get("/v1/runs", headers={"authorization": f"Bearer {secret}"}).ok
    page.reload()
    expect(page.get_by_role("row").filter(has_text="shown once")).to_have_count(1)
    assert secret not in page.content()
    assert secret not in page.url
    assert secret not in str(page.context.storage_state())
    page.go_back()
    assert secret not in page.content()


def test_a_form_that_is_sent_twice_makes_one_key_and_one_link(browse, live):
    """The second time is told that it was made, and the first of each still holds."""
    page = browse("/settings/keys")
    form = {
        "csrf": page.locator("meta[name=csrf]").get_attribute("content"),
        "key_id": page.locator("[name=key_id]").input_value(),
        "name": "sent twice",
        "role": "service",
        "days": "1",
    }
    answers = [page.request.post("/settings/keys", form=form) for _ in range(2)]
    assert [one.status for one in answers] == [200, 409]
    assert "rw_" in answers[0].text()
    assert answers[0].headers["cache-control"] == "no-store"
    assert "was made already" in answers[1].text()
    assert re.search(r"rw_[A-Za-z0-9]{40}", answers[1].text()) is None
    page.reload()
    expect(page.get_by_role("row").filter(has_text="sent twice")).to_have_count(1)
    live.link("Lee Link")
    page.goto("/settings/people")
    page.get_by_role("link", name="Lee Link").click()
    address = f"{page.url}/link"
    last = page.locator("[name=last]").input_value()
    again = [page.request.post(address, form={"csrf": form["csrf"], "last": last}) for _ in range(2)]
    assert [one.status for one in again] == [200, 409]


def test_a_key_is_revoked(browse):
    """At once here; the button asks before."""
    page = browse("/settings/keys")
    secret = made_key(page, "to be revoked")
    page.goto("/settings/keys")
    page.get_by_role("button", name="Revoke to be revoked").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row").filter(has_text="to be revoked")).to_contain_text("Revoked")
    assert page.request.get("/v1/runs", headers={"authorization": f"Bearer {secret}"}).status == 401


def test_what_is_wrong_is_told_above_the_form(browse):
    """And what was typed is still there."""
    page = browse("/settings/keys")
    page.expected_errors = ("status of 422",)
    page.get_by_label("What it is for").fill("for a while")
    page.get_by_label("Days").evaluate("one => { one.type = 'text'; one.value = 'many' }")
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("alert")).to_contain_text("'many' is no number of days.")
    expect(page.get_by_label("What it is for")).to_have_value("for a while")


@pytest.mark.parametrize(
    "path", ["people", "keys", "keys/key_1/revoke", "people/person_1/actions", "people/person_1/link"]
)
def test_a_form_without_its_token_is_refused(browse, path):
    """Nobody else's page can send it."""
    page = browse("/settings/roles")
    assert page.request.post(f"/settings/{path}", form={"name": "x"}).status == 403


def test_an_operator_sees_settings_and_gives_nothing(browse):
    """No page of people or keys, no form."""
    page = browse("/settings", "Otto Operator", Role.OPERATOR)
    tabs = page.get_by_role("navigation", name="Settings and access")
    expect(tabs.get_by_role("link")).to_have_text(["Settings", "Roles"])
    csrf = page.locator("meta[name=csrf]").get_attribute("content")
    for path in ("people", "keys"):
        assert page.request.get(f"/settings/{path}").status == 403
        assert page.request.post(f"/settings/{path}", form={"csrf": csrf, "name": "x"}).status == 403


def test_a_viewer_sees_none_of_it(browse):
    """Not the settings either."""
    page = browse("/runs", "Vera Viewer", Role.VIEWER)
    assert {page.request.get(f"/settings{one}").status for one in ("", "/people", "/keys", "/roles")} == {403}


def test_a_tenants_owner_makes_keys_for_that_tenant_only(browse):
    """Sees no other keys, and is refused by name when the form is bent."""
    owner = browse("/settings/keys")
    made_key(owner, "of everybody")
    page = browse("/settings", *ACME)
    page.wait_for_url("**/settings/keys")
    expect(page.get_by_role("row").filter(has_text="of everybody")).to_have_count(0)
    expect(page.get_by_label("Tenant").locator("option")).to_have_text(["acme"])
    form = {
        "csrf": page.locator("meta[name=csrf]").get_attribute("content"),
        "key_id": page.locator("[name=key_id]").input_value(),
        "name": "bent",
        "role": "service",
    }
    for tenant in ("", "other"):
        bent = page.request.post("/settings/keys", form=form | {"tenant": tenant})
        assert bent.status == 403
        assert "rw_" not in bent.text()
    made_key(page, "of acme")
    page.goto("/settings/keys")
    expect(page.get_by_role("row").filter(has_text="of acme")).to_contain_text("acme")
    assert page.request.get("/settings/people").status == 403


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_shown_once_is_accessible(browse, accessible, theme):
    """So is a person's page."""
    page = browse("/settings/people", theme=theme)
    page.get_by_role("link", name="Ann Smith").click()
    accessible(page)
    made_key(page, f"in the {theme}")
    accessible(page)
