"""`roadworthy budgets`: what each budget has spent, and what is left of it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.budgets.standing import Standing
    from roadworthy.settings import BudgetSettings


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(budgets)


async def budgets(
    place: Place,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="So many subjects of each budget at most.")
    ] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what each budget has spent, what is set aside, what is left, and when it begins anew.

    Of the budgets of a day or month, the present one; whoever has spent most comes first.
    """
    from roadworthy.budgets import Budgets, store
    from roadworthy.cli import terminal
    from roadworthy.cli.project import records

    async with records(place) as app:
        settings = app.settings.budgets
        now_ms, environment = app.clock.now_ms(), app.settings.environment
        found = await app.database.read(
            lambda tx: store.standing(tx, Budgets(settings), environment, now_ms, most=limit)
        )
    rows = [_row(settings[one.account.budget], one) for one in found]
    if as_json:
        terminal.print_json({"environment": environment, "budgets": rows})
        return
    if not rows:
        terminal.say("No budgets. Add one to roadworthy.toml: [budgets.<name>] with scope and a limit.")
        return
    columns = ("spent", "set aside", "left", "share")
    made = terminal.table("budget", "subject", "window", *columns, "when spent", "begins anew", right=columns)
    for row in rows:
        made.add_row(
            terminal.clean(row["budget"]),
            terminal.clean(row["subject"] or f"(each {row['scope']})"),
            row["window"],
            *("\n".join(cells) for cells in zip(*_figures(row), strict=True)),
            "" if row["share"] is None else f"{row['share']:.0%}",
            row["when_spent"],
            row["resets_at"] or "",
        )
    terminal.show(made)
    if any(row["unpriced_requests"] for row in rows):
        terminal.say("+ ?: requests whose price is not known; their tokens are counted, their cost is not.")


def _figures(row: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Spent, set aside and left, a line for each limit that is set."""
    lines: list[tuple[str, str, str]] = []
    if row["limit_usd"] is not None:
        more = " + ?" if row["unpriced_requests"] else ""
        lines.append((f"${row['spent_usd']}{more}", f"${row['reserved_usd']}", f"${row['left_usd']}"))
    if row["limit_tokens"] is not None:
        spent, reserved, left = (row[f"{name}_tokens"] for name in ("spent", "reserved", "left"))
        lines.append((f"{spent:,} tokens", f"{reserved:,}", f"{left:,}"))
    return [("", "", left) for _, _, left in lines] if row["window"] == "call" else lines


def _row(settings: "BudgetSettings", one: "Standing") -> dict[str, Any]:
    from roadworthy.records import iso

    account = one.account
    of_call = account.window == "call"
    return {
        "budget": account.budget,
        "scope": settings.scope,
        "subject": account.subject,
        "window": account.window,
        "limit_usd": _usd(account.limit_micro_usd),
        "spent_usd": _usd(one.spent_micro_usd),
        "reserved_usd": _usd(one.reserved_micro_usd),
        "left_usd": _usd(one.left_micro_usd),
        "limit_tokens": account.limit_tokens,
        "spent_tokens": one.spent_tokens,
        "reserved_tokens": one.reserved_tokens,
        "left_tokens": one.left_tokens,
        "share": None if of_call else round(one.share, 4),
        "unpriced_requests": one.unpriced,
        "when_spent": account.when_spent,
        "resets_at": None if account.resets_at_ms is None else iso(account.resets_at_ms),
    }


def _usd(micro_usd: int | None) -> str | None:
    from roadworthy.records import from_micro_usd

    return None if micro_usd is None else str(from_micro_usd(micro_usd))
