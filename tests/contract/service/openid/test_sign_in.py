"""Signing in at a provider, from the button to the session: who gets in, as what, and who stays outside."""

import logging

import httpx2
import pytest
from starlette.responses import JSONResponse

from roadworthy.access import Grant, Principal, Role

ME = Principal.terminal("tester")
MARIA = "maria@example.org"


async def add(desk, email=MARIA, *grants):
    """Somebody who was added by hand."""
    return await desk.app.access.add_person(ME, "Maria", email=email, grants=grants)


async def test_somebody_who_was_added_gets_in_by_a_verified_address_and_is_bound_by_it_once(desk):
    """From then on only the identity counts: with another address she is still who she was."""
    maria = await add(desk, MARIA, Grant(Role.VIEWER))
    desk.idp.person["email"] = "Maria@Example.ORG"
    browser = await desk.open()
    page = await browser.get("/sign-in")
    assert '<a class="button" href="/sign-in/openid/acme">Sign in with Acme &amp; Co</a>' in page.text
    answer = await desk.sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    first = browser.cookies["roadworthy_session"]
    assert "roadworthy_openid" not in browser.cookies
    assert (await browser.get("/v1/runs")).status_code == 200
    desk.idp.person["email"] = "someone.else@example.org"
    await desk.sign_in(browser)
    assert browser.cookies["roadworthy_session"] != first
    (person,) = await desk.app.access.people(ME)
    assert (person.id, person.email, person.oidc_issuer) == (maria.id, MARIA, desk.idp.url)
    assert await desk.audited("person.bound") == [
        {"actor": maria.id, "subject": maria.id, "provider": "acme"}
    ]
    assert [one["provider"] for one in await desk.audited("session.opened")] == ["acme", "acme"]


async def test_the_browser_comes_back_to_the_page_that_it_asked_for(desk):
    """With its query; the sign-in page hands it on, for a link as well."""
    await add(desk)
    browser = await desk.open()
    page = await browser.get("/sign-in", params={"next": "/v1/runs?limit=5&status=failed"})
    assert "/sign-in/openid/acme?next=%2Fv1%2Fruns%3Flimit%3D5%26status%3Dfailed" in page.text
    answer = await desk.sign_in(browser, next="/v1/runs?limit=5&status=failed")
    assert answer.headers["location"] == "/v1/runs?limit=5&status=failed"
    (person,) = await desk.app.access.people(ME)
    link = await desk.app.access.link(ME, person.id)
    answer = await browser.post("/sign-in", data={"token": link.path, "next": "/v1/costs"})
    assert answer.headers["location"] == "/v1/costs"


@pytest.mark.parametrize(
    "hostile",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
     "/\n/evil.example", "/x\r\nSet-Cookie: a=b", "javascript:alert(1)", "evil", "", "/é", "/" + "a" * 1_000],
)  # fmt: skip
async def test_nobody_is_sent_to_another_place(desk, hostile):
    """Neither by the way there nor by a link's form: what is no path of this service is the first page."""
    await add(desk)
    browser = await desk.open()
    assert (await desk.sign_in(browser, next=hostile)).headers["location"] == "/"
    (person,) = await desk.app.access.people(ME)
    link = await desk.app.access.link(ME, person.id)
    answer = await browser.post("/sign-in", data={"token": link.secret, "next": hostile})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "a=b" not in str(answer.headers)


async def test_behind_https_both_cookies_are_bound_to_it(desk_with):
    """`__Host-`, Secure, HttpOnly, and sent along when the provider leads back."""
    desk = await desk_with(overrides={"service.trusted_proxies": ["127.0.0.1"]})
    await add(desk)
    headers = {"x-forwarded-proto": "https"}
    browser = await desk.open(headers=headers)
    departed = await desk.depart(browser)
    cookie = departed.headers["set-cookie"]
    assert cookie.startswith("__Host-roadworthy_openid=rwo_")
    for said in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert said in cookie
    back = await desk.consent(departed)
    arrived = await browser.get(back, headers={"cookie": cookie.partition(";")[0]})
    assert [one.partition("=")[0] for one in arrived.headers.get_list("set-cookie")] == [
        "__Host-roadworthy_session",
        "__Host-roadworthy_openid",
    ]


async def test_whom_nobody_let_in_stays_outside(desk):
    """A page that says so, an entry on the audit log, and no person; also for a known, unverified address."""
    await add(desk)
    await add(desk, "jack@example.org")
    for claims, why in (
        ({"email": "stranger@example.org"}, "nobody let them in"),
        ({"email_verified": False}, "nobody let them in"),
        ({"email_verified": None}, "nobody let them in"),
        ({"email_verified": "true"}, "nobody let them in"),
        ({"email": None}, "nobody let them in"),
        ({"email": [MARIA]}, "nobody let them in"),
        ({"email": "jac\N{KELVIN SIGN}@example.org"}, "nobody let them in"),
    ):
        desk.idp.more = claims
        browser = await desk.open()
        answer = await desk.sign_in(browser)
        assert answer.status_code == 403, claims
        assert "Acme &amp; Co knows you, but nobody has let you in here." in answer.text
        assert "roadworthy_session" not in browser.cookies
        assert (await desk.audited("sign_in.refused"))[-1]["why"] == why
    assert [one.oidc_issuer for one in await desk.app.access.people(ME)] == [None, None]


async def test_somebody_who_is_disabled_stays_outside(desk):
    """Before the identity is known and afterwards, in the same words as a stranger."""
    maria, jo = await add(desk), await add(desk, "jo@example.org")
    await desk.sign_in(await desk.open())
    for person in (maria, jo):
        await desk.app.access.disable_person(ME, person.id)
    for claims in ({}, {"sub": "jo", "email": "jo@example.org"}):
        desk.idp.person |= claims
        answer = await desk.sign_in(await desk.open())
        assert (answer.status_code, "nobody has let you in" in answer.text) == (403, True)
    refused = await desk.audited("sign_in.refused")
    assert [(one["subject"], one["why"]) for one in refused] == [
        (maria.id, "disabled"),
        (jo.id, "disabled"),
    ]


async def test_a_second_provider_cannot_take_a_person_over_by_their_address(
    desk_with, other_idp, settings_of
):
    """Whoever was bound first stays bound; an owner can unbind them."""
    desk = await desk_with(others={"other": settings_of(other_idp)})
    maria = await add(desk)
    await desk.sign_in(await desk.open())
    assert (await desk.sign_in(await desk.open(), "other")).status_code == 403
    assert (await desk.audited("sign_in.refused"))[0] == {
        "actor": "",
        "subject": maria.id,
        "why": "the address belongs to another identity",
        "provider": "other",
    }
    assert await desk.app.access.unbind_person(ME, maria.id)
    assert (await desk.sign_in(await desk.open(), "other")).status_code == 303
    assert (await desk.sign_in(await desk.open())).status_code == 403
    (person,) = await desk.app.access.people(ME)
    assert person.oidc_issuer == other_idp.url


async def test_a_provider_is_believed_for_its_own_domains_only(desk_with):
    """What it says of another one's addresses counts as not verified."""
    desk = await desk_with(email_domains=["example.com"])
    await add(desk)
    assert (await desk.sign_in(await desk.open())).status_code == 403


async def test_a_group_or_a_domain_lets_somebody_in_with_the_roles_that_the_settings_say(desk_with):
    """Once, at the first sign-in: what is taken afterwards stays taken."""
    admit = [
        {"group": "desk-reviewers", "role": "reviewer", "workflow": "twice", "tenant": "acme"},
        {"email_domain": "example.org", "role": "viewer"},
        {"email_domain": "example.com", "role": "owner"},
        {"group": "admins", "role": "owner"},
    ]
    desk = await desk_with(admit=admit, groups_claim="roles")
    desk.idp.person["roles"] = ["desk-reviewers", "canteen"]
    await desk.sign_in(await desk.open())
    (person,) = await desk.app.access.people(ME)
    viewer = Grant(Role.VIEWER)
    assert set(person.grants) == {Grant(Role.REVIEWER, "twice", "acme"), viewer}
    assert (person.name, person.email) == ("Maria da Silva", MARIA)
    assert [one["provider"] for one in await desk.audited("person.added")] == ["acme"]
    assert len(await desk.audited("grant.given")) == 2
    await desk.app.access.take(ME, person.id, viewer)
    await desk.sign_in(await desk.open())
    (person,) = await desk.app.access.people(ME)
    assert viewer not in person.grants


async def test_a_domain_lets_nobody_in_whose_address_is_not_verified_or_not_of_it(desk_with):
    """Neither a subdomain, nor a domain that only ends alike, nor an address with two `@`."""
    desk = await desk_with(admit=[{"email_domain": "example.org", "role": "viewer"}])
    for claims in (
        {"email_verified": False},
        {"email": "m@sub.example.org"},
        {"email": "m@notexample.org"},
        {"email": "m@evil.example@example.org"},
        {"email": "m@example.org\n"},
        {"email": "@example.org"},
    ):
        desk.idp.more = claims
        assert (await desk.sign_in(await desk.open())).status_code == 403, claims
    assert await desk.app.access.people(ME) == []


async def test_somebody_let_in_by_a_group_takes_no_address_that_nobody_verified(desk_with):
    """The person who has that address keeps it, and what she may do."""
    desk = await desk_with(admit=[{"group": "staff", "role": "viewer"}])
    await add(desk, MARIA, Grant(Role.OWNER))
    desk.idp.person |= {"groups": "staff", "email_verified": False, "name": "Eve\x1b[2J\nadmin"}
    assert (await desk.sign_in(await desk.open())).status_code == 303
    maria, new = await desk.app.access.people(ME)
    assert (maria.oidc_issuer, new.email, new.name) == (None, None, "Somebody of Acme & Co")
    assert new.grants == (Grant(Role.VIEWER),)


async def test_what_an_id_token_leaves_out_is_asked_for_and_has_to_be_of_the_same_person(desk):
    """Some providers tell an address only at their userinfo endpoint."""
    await add(desk)
    desk.idp.told = {"userinfo_endpoint": f"{desk.idp.url}/userinfo"}
    desk.idp.more = {"email": None, "email_verified": None, "name": None}
    desk.idp.broken["/userinfo"] = lambda _: JSONResponse({**desk.idp.person, "sub": "another"})
    assert (await desk.sign_in(await desk.open())).status_code == 401
    assert (await desk.audited("sign_in.refused"))[-1]["why"] == "userinfo"
    del desk.idp.broken["/userinfo"]
    assert (await desk.sign_in(await desk.open())).status_code == 303


async def test_signing_out_ends_the_session_here_and_offers_to_end_the_one_there(desk, query_of):
    """A link to the provider's own page, which leads back here."""
    await add(desk)
    desk.idp.told = {"end_session_endpoint": f"{desk.idp.url}/end?tenant=1"}
    browser = await desk.open()
    await desk.sign_in(browser)
    token = browser.cookies["roadworthy_session"]
    answer = await browser.post("/sign-out", data={"csrf": desk.app.access.csrf_token(token)})
    assert answer.status_code == 200
    url = answer.text.partition('<a href="')[2].partition('"')[0].replace("&amp;", "&")
    assert url.startswith(f"{desk.idp.url}/end?tenant=1&")
    assert query_of(url)["post_logout_redirect_uri"] == f"{desk.url}/"
    thief = await desk.open(cookies={"roadworthy_session": token})
    assert (await thief.get("/v1/runs")).status_code == 401


async def test_nothing_secret_is_logged(desk, caplog):
    """Neither ours nor theirs, at any level: on a good way, a bad one, and with a provider in trouble."""
    await add(desk)
    for name in (None, "httpx2", "roadworthy"):  # whatever a test before this one made quiet
        caplog.set_level(logging.DEBUG, logger=name)
    browser = await desk.open()
    departed = await desk.depart(browser)
    secret = browser.cookies["roadworthy_openid"]
    back = await desk.consent(departed)
    query = dict(httpx2.URL(departed.headers["location"]).params)
    await browser.get(back)
    await browser.get(back)
    desk.idp.broken["/token"] = lambda _: JSONResponse(
        {"error": "invalid_client", "error_description": "<told>"}, 401
    )
    assert (await desk.sign_in(await desk.open())).status_code == 502
    browsers = ("httpcore2", "/callback", "/authorize")  # which log in this process, too
    told = [
        one
        for one in caplog.records
        if not any(name in f"{one.name} {one.getMessage()}" for name in browsers)
    ]
    text = "\n".join(record.getMessage() for record in told)
    assert f"{desk.idp.url}/token" in text
    assert "does not take this client id with this secret" in text
    for hidden in (
        "s3cret",
        secret,
        query["state"],
        query["nonce"],
        browser.cookies["roadworthy_session"],
        "<told>",
        MARIA,
        *desk.idp.given,
    ):
        assert hidden not in text


async def test_coming_and_going_are_counted_like_links(desk_with):
    """From one address so often in a minute; the session of somebody who is in goes on."""
    desk = await desk_with(overrides={"access.sign_in_attempts_per_minute": 2})
    browser = await desk.open()
    left = [await desk.depart(browser) for _ in range(6)]
    assert {one.status_code for one in left} == {303, 429}
    came = [await browser.get("/sign-in/openid/acme/callback?state=x&code=y") for _ in range(6)]
    assert {one.status_code for one in came} == {401, 429}
    assert [one["why"] for one in await desk.audited("sign_in.refused")].count("too many") in (2, 3, 4)


async def test_there_is_no_other_way_to_sign_in(desk):
    """A name that is in no setting, or can be none."""
    browser = await desk.open()
    for path in ("/sign-in/openid/other", "/sign-in/openid/other/callback", "/sign-in/openid/A%0a"):
        assert (await browser.get(path)).status_code == 404
    assert (await browser.post("/sign-in/openid/acme")).status_code == 405
