"""`docs/audit.md`: its commands print what it shows, and it names every action.

Run this file to write the table of actions.
"""

import ast
import inspect
import re
from pathlib import Path

from roadworthy.audit import Action, action

PAGE = Path(__file__).parents[3] / "docs" / "audit.md"


def render() -> str:
    """The table of actions, from the code."""
    body = ast.parse(inspect.getsource(action)).body
    (declared,) = [one for one in body if isinstance(one, ast.ClassDef)]
    lines = [ast.literal_eval(one.value) for one in declared.body if isinstance(one, ast.Expr)][1:]
    rows = [f"| `{one.value}` | {line} |" for one, line in zip(Action, lines, strict=True)]
    return "\n".join(["| action | when |", "|---|---|", *rows]) + "\n"


def written(page: str) -> str:
    """The page with the table as it should be."""
    return re.sub(r"(?<=## Actions\n\n).*", lambda _: render(), page, flags=re.DOTALL)


def test_the_page_names_every_action() -> None:
    """With the line under it in the code."""
    assert PAGE.read_text() == written(PAGE.read_text()), (
        "Run: .venv/bin/python tests/contract/docs/test_audit.py"
    )


def test_the_commands_print_what_the_page_shows(shown_and_real, fits, monkeypatch) -> None:
    """On a project with a key of its own."""
    monkeypatch.setenv("AUDIT_KEY", "k" * 40)
    outputs = shown_and_real("audit.md")
    assert len(outputs) == 6
    for command, shown, real in outputs:
        assert fits(shown, real), f"{command}\n{real}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
