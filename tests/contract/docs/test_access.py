"""`docs/access.md`: its commands print what it shows, its tables say what the code does.

Run this file to write the tables.
"""

import ast
import inspect
import re
from enum import Enum
from pathlib import Path
from types import ModuleType

from roadworthy.access import PERMISSIONS, Permission, Role, permission, role

PAGE = Path(__file__).parents[3] / "docs" / "access.md"


def described(module: ModuleType, kind: type[Enum]) -> dict[str, str]:
    """The line under each member, by its value."""
    body = ast.parse(inspect.getsource(module)).body
    (declared,) = [one for one in body if isinstance(one, ast.ClassDef) and one.name == kind.__name__]
    lines = [ast.literal_eval(one.value) for one in declared.body if isinstance(one, ast.Expr)][1:]
    return dict(zip([one.value for one in kind], lines, strict=True))


def roles() -> str:
    """Who may do what, from the one table in the code."""
    heads = [one.value for one in Role]
    rows = [f"| permission | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for one in Permission:
        marks = ["yes" if one in PERMISSIONS[of] else "" for of in Role]
        rows.append(f"| `{one.value}` | {' | '.join(marks)} |")
    lines = [f"- **{name}**: {line}" for name, line in described(role, Role).items()]
    return "\n".join([*lines, "", *rows]) + "\n"


def permissions() -> str:
    """What each permission lets somebody do."""
    rows = [f"| `{name}` | {line} |" for name, line in described(permission, Permission).items()]
    return "\n".join(["| permission | what it lets somebody do |", "|---|---|", *rows]) + "\n"


def written(page: str) -> str:
    """The page with its tables as they should be."""
    page = re.sub(r"(?<=## Roles\n\n).*?(?=\n- An owner of)", lambda _: roles(), page, flags=re.DOTALL)
    return re.sub(
        r"(?<=## Permissions\n\n).*?(?=\n## People)", lambda _: permissions(), page, flags=re.DOTALL
    )


def test_the_page_says_who_may_do_what() -> None:
    """As the one table in the code does."""
    assert PAGE.read_text() == written(PAGE.read_text()), (
        "Run: .venv/bin/python tests/contract/docs/test_access.py"
    )


def test_the_commands_print_what_the_page_shows(shown_and_real, fits) -> None:
    """One after the other, on an empty project."""
    outputs = shown_and_real("access.md")
    assert len(outputs) == 8
    for command, shown, real in outputs:
        assert fits(shown, real), f"{command}\n{real}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
