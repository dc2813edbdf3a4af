"""The dashboard in a real browser: a live service over a desk's project, and people who are signed in to it.

The service runs in a thread of its own, on a real socket, with a worker and a simulated provider. It is
shared by the tests of one process: a test that changes things starts runs of its own (`live.start`), and
looks at those. Without Chromium these tests are skipped; Debian has it as `chromium`.
"""

import asyncio
import importlib.util
import shutil
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from roadworthy import App, dashboard
from roadworthy.access import Grant, Principal, Role
from roadworthy.evals import Variant
from roadworthy.service import Server, Service
from roadworthy.testing.simulated import SimulatedProvider
from roadworthy.testing.simulated.received import Received
from roadworthy.workflows import Run

PROJECT = Path(__file__).parent / "project"
ME = Principal.terminal("tester")
T = TypeVar("T")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
QUICK = {
    "workers.poll_seconds": 0.05,
    "workers.heartbeat_seconds": 0.5,
    "workers.shutdown_seconds": 0.1,
    "service.port": 0,
    "service.shutdown_seconds": 1,
}
expect.set_options(timeout=15_000)


def answers(received: Received) -> dict[str, Any]:
    """What the provider says: as sure as the ticket's first word lets it be."""
    if "Which kind" in received.text:
        return {"kind": "delivery" if "one word" in received.text and "lost" in received.text else "refund"}
    sure = {"broken": 0.95, "late": 0.5, "spam": 0.05}.get(received.text.split()[0], 0.6)
    text = f"Dear customer,\n\nwe are sorry about this: {received.text}.\n\nKind regards,\nthe desk"
    return {"text": text, "amount": 20, "confidence": sure}


class Live:
    """A running service, and its app; `do` runs a coroutine where they run."""

    def __init__(self, folder: Path, *, works: bool = True) -> None:
        self._folder = folder
        self._works = works
        self._loop = asyncio.new_event_loop()
        self._started: Future[None] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self.app: App
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def start(self, workflow: str, *, tenant: str = "", **given: Any) -> str:
        """The id of a run that was started."""
        return self.do(self.app.runs.start(workflow, given, tenant=tenant)).id

    def until(self, run_id: str, status: str) -> Run:
        """The run, as soon as it stands so."""

        async def wait() -> Run:
            async with asyncio.timeout(30):
                while (run := await self.app.runs.get(run_id)).status != status:
                    await asyncio.sleep(0.02)
            return run

        return self.do(wait())

    def link(self, name: str, *grants: Grant) -> str:
        """Where somebody new signs in."""

        async def make() -> str:
            person = await self.app.access.add_person(ME, name, grants=grants)
            return (await self.app.access.link(ME, person.id)).secret

        return f"{self.url}/sign-in?token={self.do(make())}"

    async def _serve(self) -> None:
        try:
            await self._run()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise

    async def _run(self) -> None:
        self.app = _loaded(self._folder)
        async with self.app.running(work=self._works):
            service = Service(self.app, works=self._works, more=dashboard.routers)
            async with Server(service, self.app.settings.service) as server:
                self.url = server.url
                if self._works:
                    await _seed(self.app)
                self._started.set_result(None)
                await self._stop.wait()
                service.end_streams()


def _loaded(folder: Path) -> App:
    """The app of the copied project, with its workflows."""
    spec = importlib.util.spec_from_file_location("desk", folder / "desk.py")
    module = importlib.util.module_from_spec(spec)
    load = App.load
    App.load = staticmethod(lambda place: load(place, overrides=QUICK))
    try:
        sys.modules["desk"] = module
        spec.loader.exec_module(module)
    finally:
        App.load = load
    return module.app


async def _seed(app: App) -> None:
    """What a morning at the desk leaves: runs in every state, reviews that wait, splits and evaluations."""
    await app.promotions.split("triage", {"v1": 5_000, "v2": 5_000}, reason="is one word enough?")
    await app.promotions.split_route("careful", {"careful": 9_000, "default": 1_000})
    await app.promotions.set_flag("night-shift", {"on": 2_500, "off": 7_500}, reason="try it")
    app.evals.accept(await app.evals.run("triage", Variant(label="v1")))
    await app.evals.run("triage", Variant(label="v2"))
    tickets = [
        *(f"broken parcel {number}" for number in range(6)),
        *("spam offer", "lost order 7"),
        *(f"late parcel {number}" for number in range(3)),
    ]
    started = [await app.runs.start("answer_ticket", {"ticket": ticket}) for ticket in tickets]
    for number in range(16):
        given = {"ticket": f"lost parcel {number}"}
        started.append(await app.runs.start("triage_ticket", given, user_id=f"user-{number}"))
    started.append(await app.runs.start("refund", {"ticket": "late lease 9"}))
    stock = await app.runs.start("wait_for_stock", {"item": "chair"})
    for _ in range(2):
        await app.runs.start("answer_ticket", {"ticket": "broken for acme"}, tenant="acme")
    async with asyncio.timeout(60):
        for one in (*started, stock):
            while (await one.run()).status in ("queued", "running"):
                await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def desk_with(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Live]]:
    """Start a service whose settings say more than the project's, with more files or not.

    One of a process works, and has a past.
    """
    with ExitStack() as stack, SimulatedProvider(rules=[answers]) as provider:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("FIRST_URL", provider.base_url)

        def started(more: str = "", files: Mapping[str, str] | None = None, *, works: bool = False) -> Live:
            folder = tmp_path_factory.mktemp("desk") / "project"
            shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
            with (folder / "roadworthy.toml").open("a") as settings:
                settings.write(f"\n{more}\n")
            for name, text in (files or {}).items():
                (folder / name).write_text(text)
            return stack.enter_context(Live(folder, works=works))

        yield started


@pytest.fixture(scope="session")
def live(desk_with: Callable[..., Live]) -> Live:
    """The service."""
    return desk_with(works=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(chromium: Browser) -> Callable[..., dict[str, Any]]:
    """What the browser of somebody keeps after signing in, by service and name; each signs in once."""
    kept: dict[tuple[str, str], dict[str, Any]] = {}

    def state(live: Live, name: str, *roles: Role | Grant) -> dict[str, Any]:
        if (live.url, name) not in kept:
            context = chromium.new_context()
            page = context.new_page()
            given = (one if isinstance(one, Grant) else Grant(one) for one in roles or (Role.OWNER,))
            page.goto(live.link(name, *given))
            page.get_by_role("button", name="Sign in").click()
            expect(page).to_have_url(f"{live.url}/")
            kept[live.url, name] = context.storage_state()
            context.close()
        return kept[live.url, name]

    return state


Open = Callable[..., Page]


@pytest.fixture
def browse(live: Live, chromium: Browser, signed_in: Callable[..., dict[str, Any]]) -> Iterator[Open]:
    """Open a page as somebody: `browse("/runs", "Ann", Role.OWNER, theme="dark")`; `at` is another service.

    In the end no page may have logged an error, or asked another host for anything.
    """
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(
        path: str,
        name: str = "Ann Smith",
        *roles: Role | Grant,
        theme: str = "light",
        at: Live = live,
        **options: Any,
    ) -> Page:
        context = chromium.new_context(
            base_url=at.url,
            storage_state=signed_in(at, name, *roles),
            color_scheme=theme,
            viewport=options.pop("viewport", {"width": 1440, "height": 900}),
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda said: _note(said, page, faults))
        page.on("request", lambda one: None if one.url.startswith(at.url) else faults.append(one.url))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _note(said: Any, page: Page, faults: list[str]) -> None:
    expected = getattr(page, "expected_errors", ())
    if said.type == "error" and not any(one in said.text for one in expected):
        faults.append(f"{page.url}: {said.text}")


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """Assert that axe finds nothing: WCAG 2.2 AA and best practice."""

    def check(page: Page) -> None:
        options = {"runOnly": {"type": "tag", "values": _WCAG}}
        found = Axe().run(page, options=options)
        assert found.violations_count == 0, found.generate_report()

    return check
