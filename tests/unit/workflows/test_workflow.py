"""Declaring workflows, steps and actions."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy import App, Decision, skip
from roadworthy.errors import ConfigurationError, InvalidInput, StateConflict
from roadworthy.workflows.context import run_context
from roadworthy.workflows.workflow import Skipped, fingerprint_of


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app of an empty project, which is not opened."""
    (tmp_path / "roadworthy.toml").touch()
    return App.load(tmp_path)


@pytest.fixture
def defined(tmp_path: Path) -> Callable[[str], Callable[..., Any]]:
    """Define the function `f` in a file of its own, so that its source can be read."""
    count = 0

    def define(source: str) -> Callable[..., Any]:
        nonlocal count
        count += 1
        file = tmp_path / f"module_{count}.py"
        file.write_text(source, encoding="utf-8")
        names: dict[str, Any] = {}
        exec(compile(source, str(file), "exec"), names)
        return names["f"]

    return define


ONE = "async def f(a):\n    return await g(a)\n"


@pytest.mark.parametrize(
    "other",
    [
        "async def f(a):\n    # a comment\n\n    return (await g(a))\n",
        'async def f(a):\n    """What it does."""\n    return await g(a)\n',
        "def d(f):\n    return f\n\n@d\nasync def f(a):\n    return await g(\n        a,\n    )\n",
    ],
)
def test_a_fingerprint_does_not_depend_on_comments_layout_or_decorators(defined, other):
    """What changes no step changes no fingerprint."""
    assert fingerprint_of(defined(ONE)) == fingerprint_of(defined(other))


@pytest.mark.parametrize(
    "other",
    [
        "async def f(a):\n    return await h(a)\n",
        "async def f(a):\n    await g(a)\n    return await g(a)\n",
        "async def f(a, b=1):\n    return await g(a)\n",
        "async def f(a):\n    return await g('text')\n",
    ],
)
def test_a_fingerprint_changes_with_the_code(defined, other):
    """Whatever may change the order of steps or what they are given."""
    assert fingerprint_of(defined(ONE)) != fingerprint_of(defined(other))


def test_a_function_without_source_has_a_fingerprint():
    """One that was made by `exec` goes by its byte code."""
    names: dict[str, Any] = {}
    exec(ONE, names)
    assert len(fingerprint_of(names["f"])) == 16


def test_a_workflow_is_async_and_has_a_name_of_its_own(app):
    """What cannot work is refused where it is declared."""
    with pytest.raises(ConfigurationError, match="not async"):

        @app.workflow
        def blocking() -> None: ...

    @app.workflow(name="same")
    async def first() -> None: ...

    with pytest.raises(ConfigurationError, match="two workflows named 'same'"):

        @app.workflow(name="same")
        async def second() -> None: ...

    assert app.workflows == {"same": first}


def test_a_declared_function_still_says_what_it_is(app):
    """Name, docstring and signature are those of the user's function."""

    @app.step(name="other")
    async def look(ticket: str) -> str:
        """Look it up."""
        return ticket

    assert (look.__name__, look.__doc__, look.name) == ("look", "Look it up.", "other")
    assert list(inspect.signature(look).parameters) == ["ticket"]


async def test_outside_of_a_run_a_step_is_just_the_function(app):
    """Async or not, it can be called and tested by itself."""

    @app.step
    def double(number: int) -> int:
        return number * 2

    @app.step
    async def triple(number: int) -> int:
        return number * 3

    assert await asyncio.gather(double(2), triple(number=2)) == [4, 6]


async def test_skip_gives_its_reason():
    """For a workflow to return."""
    assert skip("spam") == Skipped("spam")


def test_an_action_takes_a_key(app):
    """Without one the outside could not recognise a repetition."""
    with pytest.raises(ConfigurationError, match="parameter `key`"):

        @app.action
        async def send(text: str) -> None: ...


async def test_an_irreversible_action_asks_for_a_decision_everywhere(app):
    """Outside of a run, too."""

    @app.action(irreversible=True)
    async def pay(amount: object, *, key: str = "") -> str:
        return "paid"

    with pytest.raises(InvalidInput, match="given no Decision"):
        await pay(7)
    assert await pay(Decision.by_rule(7, rule="small")) == "paid"
    with pytest.raises(InvalidInput, match="name"):
        Decision.by_rule(7, rule=" ")


async def test_what_works_in_a_workflow_only_says_so(app):
    """Sleep, signals and maps need a run."""
    for call in (app.sleep(1), app.wait_for_signal("x"), app.map(app.step(lambda item: item), [1])):
        with pytest.raises(StateConflict, match="inside a workflow only"):
            await call
    with pytest.raises(StateConflict):
        run_context("this")
