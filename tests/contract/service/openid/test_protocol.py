"""What must not hold does not, and a provider that misbehaves takes nobody down: each over a real socket."""

import asyncio
import gzip
import json
import time

import pytest
from joserfc import jwk
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from roadworthy.access import Principal
from roadworthy.access.openid import Attempt

ME = Principal.terminal("tester")
MARIA = "maria@example.org"
RSA_2 = jwk.RSAKey.generate_key(2048, {"kid": "rsa-2"})


@pytest.fixture
async def desk(desk):
    """With somebody who may come in."""
    await desk.app.access.add_person(ME, "Maria", email=MARIA)
    return desk


async def why(desk):
    """Why the last sign-in was refused."""
    return (await desk.audited("sign_in.refused"))[-1]["why"]


async def test_no_id_token_holds_but_the_one_that_was_asked_for(desk):
    """Each refusal is on the audit log with its reason; whoever sees the page is not told."""
    idp, now = desk.idp, int(time.time())
    for more, reason in (
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ["x"]}, "nonce"),
        ({"aud": "somebody"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["desk app/1", "somebody"]}, "azp"),
        ({"aud": ["desk app/1", "somebody"], "azp": "somebody"}, "azp"),
        ({"azp": "somebody"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": idp.url + "/"}, "iss"),
        ({"exp": now - 31}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": str(now + 300)}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"iat": now + 120}, "iat"),
        ({"iat": None}, "iat"),
        ({"nbf": now + 120}, "nbf"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "a\x00b"}, "sub"),
        ({"sub": "a" * 256}, "sub"),
        ({"sub": 7}, "sub"),
    ):
        idp.more = more
        answer = await desk.sign_in(await desk.open())
        assert answer.status_code == 401, more
        assert "This sign-in is unknown, used or too old." in answer.text
        assert await why(desk) == reason, more
    idp.more = {"aud": ["desk app/1", "somebody"], "azp": "desk app/1", "exp": now + 5}
    assert (await desk.sign_in(await desk.open())).status_code == 303


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # what must not be done is done here
async def test_no_signature_holds_but_one_of_the_provider_s_own_private_key(desk):
    """Neither none, nor its public key or our secret as a shared one, nor a foreign, weak or unfit key."""
    idp = desk.idp
    pem = idp.published[0].as_pem(private=False)
    weak = jwk.RSAKey.generate_key(1024, {"kid": "weak"})
    for key, header, published, reason in (
        (b"", {"alg": "none"}, (), "algorithm"),
        (pem, {"alg": "HS256"}, (), "algorithm"),
        (pem, {"alg": "HS256", "kid": "rsa-1"}, (), "algorithm"),
        (b"s3cret:of+the%desk-app", {"alg": "HS256"}, (), "algorithm"),
        (idp.key, {"alg": "RS512", "kid": "rsa-1"}, (), "algorithm"),
        (idp.key, {"alg": "PS256", "kid": "rsa-1"}, (), "algorithm"),
        (RSA_2, {"alg": "RS256", "kid": "rsa-1"}, (), "signature"),
        (RSA_2, {"alg": "RS256", "kid": "rsa-2"}, (), "key"),
        (RSA_2, {"alg": "RS256", "kid": "rsa-2", "jwk": RSA_2.as_dict(private=False)}, (), "key"),
        (RSA_2, {"alg": "RS256", "kid": "ec-1"}, (), "key"),
        (weak, {"alg": "RS256", "kid": "weak"}, (weak,), "key"),
        (RSA_2, {"alg": "RS256"}, (RSA_2,), "key"),
        (b"k", {"alg": "RS256", "kid": "rsa-1", "crit": ["x"], "x": 1}, (), "form"),
    ):
        desk.app.access.providers["acme"]._keys.forget()
        idp.key, idp.header, idp.published = key, header, [*idp.published[:2], *published]
        answer = await desk.sign_in(await desk.open())
        assert (answer.status_code, await why(desk)) == (401, reason), header
    for token in ("", "a.b", "a.b.c", "e30.e30.e30", "\ud800", "." * 5, "x" * 200_000, 5, None):
        idp.broken["/token"] = lambda _, token=token: Response(json.dumps({"id_token": token}))
        answer = await desk.sign_in(await desk.open())
        assert answer.status_code == (401 if isinstance(token, str) else 502), repr(token)[:20]
    assert (await desk.app.access.people(ME))[0].last_seen_at is None


async def test_an_elliptic_key_and_a_lone_key_without_a_name_hold(desk):
    """What providers do beside RS256 with a named key."""
    idp = desk.idp
    idp.key, idp.header = idp.published[1], {"alg": "ES256", "kid": "ec-1", "typ": "JWT", "unknown": 1}
    assert (await desk.sign_in(await desk.open())).status_code == 303
    idp.header = {"alg": "ES256"}
    assert (await desk.sign_in(await desk.open())).status_code == 303


async def test_a_new_key_is_fetched_when_it_is_first_seen_and_no_fetching_can_be_forced(desk):
    """At once when an unknown key comes; then not again for a minute, whatever comes."""
    idp = desk.idp
    assert (await desk.sign_in(await desk.open())).status_code == 303
    idp.key, idp.header, idp.published = RSA_2, {"alg": "RS256", "kid": "rsa-2"}, [RSA_2]
    assert (await desk.sign_in(await desk.open())).status_code == 303
    assert idp.asked["/keys"] == 2
    for number in range(5):
        idp.header = {"alg": "RS256", "kid": f"invented-{number}"}
        assert (await desk.sign_in(await desk.open())).status_code == 401
    assert (idp.asked["/keys"], idp.asked["/.well-known/openid-configuration"]) == (2, 1)


async def test_only_the_browser_that_departed_arrives_and_only_once(desk):
    """Another state, another browser, another provider's way back, no code, a second time: all read alike."""
    browser, thief = await desk.open(), await desk.open()
    back = await desk.consent(await desk.depart(browser))
    cookie = browser.cookies["roadworthy_openid"]
    params, own = dict(back.params), {"cookie": f"roadworthy_openid={cookie}"}
    for wrong, headers, reason in (
        ({}, {}, "state"),
        ({}, {"cookie": f"roadworthy_openid={Attempt.new().secret}"}, "state"),
        ({}, {"cookie": "roadworthy_openid=rwo_x"}, "state"),
        ({"state": Attempt.new().state}, own, "state"),
        ({"state": ""}, own, "state"),
        ({"state": "é"}, own, "state"),
    ):
        answer = await thief.get(back.copy_with(params=params | wrong), headers=headers)
        assert (answer.status_code, await why(desk)) == (401, reason)
        assert "roadworthy_session" not in answer.headers.get("set-cookie", "")
    assert (await browser.get(back, headers=own)).status_code == 303
    replayed = await browser.get(back, headers=own)
    assert (replayed.status_code, await why(desk)) == (401, "used or too old")
    browser = await desk.open()
    back = await desk.consent(await desk.depart(browser))
    denied = back.copy_with(params={"state": back.params["state"], "error": "<script>access_denied"})
    cookie = {"cookie": f"roadworthy_openid={browser.cookies['roadworthy_openid']}"}
    answer = await browser.get(denied, headers=cookie)
    assert (answer.status_code, "script" in answer.text) == (401, False)
    assert await why(desk) == "the provider said no"
    assert (await browser.get(back, headers=cookie)).status_code == 401


async def test_a_code_is_redeemed_for_the_attempt_that_it_was_given_to(desk):
    """Put into another browser's way back it fails by PKCE, and another issuer's answer is not taken."""
    victim, thief = await desk.open(), await desk.open()
    stolen = await desk.consent(await desk.depart(victim))
    own = await desk.consent(await desk.depart(thief))
    injected = own.copy_with(params={**own.params, "code": stolen.params["code"]})
    answer = await thief.get(injected)
    assert (answer.status_code, await why(desk)) == (401, "code")
    browser = await desk.open()
    back = await desk.consent(await desk.depart(browser))
    answer = await browser.get(back.copy_with(params={**back.params, "iss": "https://evil.example"}))
    assert (answer.status_code, await why(desk)) == (401, "issuer")


async def test_an_attempt_ends_after_ten_minutes_and_belongs_to_one_provider(
    desk_with, other_idp, settings_of
):
    """In the database, whatever the browser kept."""
    desk = await desk_with(others={"other": settings_of(other_idp)})
    browser = await desk.open()
    back = await desk.consent(await desk.depart(browser))
    answer = await browser.get(str(back).replace("/acme/", "/other/"))
    assert (answer.status_code, await why(desk)) == (401, "used or too old")
    browser = await desk.open()
    back = await desk.consent(await desk.depart(browser))
    await desk.app.database.write(
        lambda tx: tx.exec_driver_sql("UPDATE openid_attempts SET expires_at = expires_at - 600000")
    )
    assert (await browser.get(back)).status_code == 401


async def _never(request):
    """No answer, for as long as somebody waits for it."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


PACKED = gzip.compress(b"{}" + b" " * 10_000_000)
TROUBLE = {
    "html": (lambda _: HTMLResponse("<h1>Bad gateway</h1>"), "something that is no JSON object"),
    "error": (lambda _: JSONResponse({"error": "x"}, 503), "answered 503"),
    "list": (lambda _: JSONResponse([]), "something that is no JSON object"),
    "deep": (lambda _: Response("[" * 100_000), "something that is no JSON object"),
    "huge": (lambda _: JSONResponse({"a": "x" * 300_000}), "more than 256,000 bytes"),
    "packed": (lambda _: Response(PACKED, headers={"content-encoding": "gzip"}), "a packed body"),
    "redirect": (lambda _: RedirectResponse("http://127.0.0.1:1/"), "a redirect"),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
async def test_a_provider_in_trouble_gives_a_page_and_links_still_sign_in(desk, caplog, path):
    """Huge, packed, elsewhere, or not what it should be: the log says what, the page that it is so."""
    (maria,) = await desk.app.access.people(ME)
    provider = desk.app.access.providers["acme"]
    for name, (answer, said) in TROUBLE.items():
        provider._document.forget()
        provider._keys.forget()
        provider._hurried = None
        desk.idp.broken = {path: answer}
        browser = await desk.open()
        departed = await desk.depart(browser)
        told = departed if departed.status_code != 303 else await browser.get(await desk.consent(departed))
        assert told.status_code == 502, name
        assert "Signing in with Acme &amp; Co does not work at the moment." in told.text
        assert said in caplog.text, name
        assert "Bad gateway" not in told.text + caplog.text
    link = await desk.app.access.link(ME, maria.id)
    assert (await (await desk.open()).post("/sign-in", data={"token": link.secret})).status_code == 303


async def test_a_provider_that_hangs_is_asked_by_one_and_told_to_all(desk_with, caplog):
    """Nobody waits behind others for it, and signing out goes on."""
    desk = await desk_with(timeout_seconds=2)
    await desk.app.access.add_person(ME, "Maria", email=MARIA)
    browser = await desk.open()
    await desk.sign_in(browser)
    desk.app.access.providers["acme"]._document.forget()
    desk.idp.broken = {"/.well-known/openid-configuration": _never}
    desk.idp.asked.clear()
    browsers = [await desk.open() for _ in range(10)]
    answers = await asyncio.gather(*(desk.depart(one) for one in browsers))
    assert {one.status_code for one in answers} == {502}
    assert desk.idp.asked["/.well-known/openid-configuration"] == 1
    assert "gave no whole answer within 2 seconds" in caplog.text
    token = desk.app.access.csrf_token(browser.cookies["roadworthy_session"])
    assert (await browser.post("/sign-out", data={"csrf": token})).status_code == 303


async def test_a_provider_that_is_gone_gives_a_page(desk_with, settings_of, idp):
    """Nobody listens there any more; the other one is not concerned."""
    desk = await desk_with(others={"gone": settings_of(idp, issuer="http://127.0.0.1:1")})
    assert (await desk.depart(await desk.open(), "gone")).status_code == 502
    assert (await desk.depart(await desk.open())).status_code == 303


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://another.example"},
        {"authorization_endpoint": "http://127.0.0.1/a\r\nSet-Cookie: a=b"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": "http://[oops"},
        {"end_session_endpoint": "data:text/html,x"},
    ],
)
async def test_a_discovery_document_that_does_not_fit_is_not_followed(desk, told):
    """Another issuer, an address with a line break, or of another kind."""
    desk.idp.told = told
    answer = await desk.depart(await desk.open())
    assert answer.status_code == 502
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


async def test_first_sign_ins_that_come_together_make_one_person(desk_with, both_urls):
    """In both databases: one person, one set of grants, a session for each browser."""
    desk = await desk_with(
        admit=[{"email_domain": "example.org", "role": "viewer"}], overrides={"url": both_urls}
    )
    browsers = [await desk.open() for _ in range(6)]
    answers = await asyncio.gather(*(desk.sign_in(browser) for browser in browsers))
    assert [one.status_code for one in answers] == [303] * 6
    (person,) = await desk.app.access.people(ME)
    assert len(person.grants) == 1
    assert len(await desk.audited("person.added")) == 1
    assert len({one.cookies["roadworthy_session"] for one in answers}) == 6


async def test_a_way_back_that_is_taken_twice_at_once_leads_in_once(desk_with, both_urls):
    """In both databases."""
    desk = await desk_with(overrides={"url": both_urls})
    await desk.app.access.add_person(ME, "Maria", email=MARIA)
    browser = await desk.open()
    back = await desk.consent(await desk.depart(browser))
    own = {"cookie": f"roadworthy_openid={browser.cookies['roadworthy_openid']}"}
    answers = await asyncio.gather(*(browser.get(back, headers=own) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [303, *[401] * 5]


async def test_a_transaction_that_runs_twice_lets_somebody_in_once(desk_with, both_urls, monkeypatch):
    """It was committed, and only the news of it got lost."""
    desk = await desk_with(
        admit=[{"email_domain": "example.org", "role": "viewer"}], overrides={"url": both_urls}
    )
    once = desk.app.database.write

    async def twice(work):
        await once(work)
        return await once(work)

    monkeypatch.setattr(desk.app.database, "write", twice)
    assert (await desk.sign_in(await desk.open())).status_code == 303
    monkeypatch.undo()
    assert len(await desk.app.access.people(ME)) == 1
    for action in ("person.added", "grant.given", "session.opened"):
        assert len(await desk.audited(action)) == 1, action
