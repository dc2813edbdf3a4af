"""`docs/access.md`: the settings that it shows for a provider let in whom it says."""

import asyncio
import json
import subprocess
import sys
import tomllib
from pathlib import Path

from roadworthy.access import Grant, Principal, Role

PAGE = (Path(__file__).parents[4] / "docs" / "access.md").read_text(encoding="utf-8")


async def test_the_page_s_settings_let_in_whom_it_says(desk_with, idp, monkeypatch):
    """As they stand there, but for the provider's address, which is this machine's."""
    shown = tomllib.loads(PAGE.partition("# roadworthy.production.toml\n")[2].partition("```")[0])
    acme = shown["access"]["openid"]["acme"]
    monkeypatch.setenv(acme["client_secret_env"], idp.client_secret)
    monkeypatch.setattr(idp, "client_id", acme["client_id"])
    desk = await desk_with(**{**acme, "issuer": idp.url})
    assert f"{shown['service']['public_url']}/sign-in/openid/acme/callback" in PAGE
    idp.person |= {"groups": ["desk-reviewers"]}
    assert "Sign in with Acme" in (await (await desk.open()).get("/sign-in")).text
    assert (await desk.sign_in(await desk.open())).status_code == 303
    (person,) = await desk.app.access.people(Principal.terminal("root"))
    assert set(person.grants) == {Grant(Role.REVIEWER, "answer_ticket"), Grant(Role.VIEWER)}
    idp.person |= {"sub": "2", "groups": ["canteen"], "email": "eve@example.com"}
    answer = await desk.sign_in(await desk.open())
    assert (answer.status_code, "nobody has let you in here" in answer.text) == (403, True)


async def test_config_check_says_when_the_issuer_is_another_one(idp, settings_of, monkeypatch, tmp_path):
    """A wrong one and a missing secret are faults; one that cannot be reached is a warning."""
    providers = {
        "right": settings_of(idp),
        "wrong": settings_of(idp, issuer=f"{idp.url}/"),
        "gone": settings_of(idp, issuer="http://127.0.0.1:1", client_secret_env="NO_SUCH"),
    }
    lines = ['[service]\npublic_url = "http://localhost:8080"']
    for name, its in providers.items():
        lines += [f"[access.openid.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in its.items())]
    (tmp_path / "roadworthy.toml").write_text("\n".join(lines))
    monkeypatch.setenv("ACME_SECRET", idp.client_secret)
    (tmp_path / "desk.py").write_text("from roadworthy import App\n\napp = App.load(__file__)\n")
    words = ["config", "check", "--json", "--project", str(tmp_path)]
    command = [sys.executable, "-m", "roadworthy.cli.main", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(one["key"], one["message"]) for one in told["faults"]] == [
        (
            "access.openid.wrong.issuer",
            "The sign-in provider 'wrong' says in its discovery document that it is another issuer.",
        ),
        (
            "access.openid.gone.client_secret_env",
            "The environment variable 'NO_SUCH' is not set. It should hold the client secret of 'gone'.",
        ),
    ]
    assert told["warnings"] == ["The sign-in provider 'gone' cannot be reached (ConnectError)."]
