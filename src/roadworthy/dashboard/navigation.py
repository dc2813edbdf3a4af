"""Where there is something to see, for whom."""

from dataclasses import dataclass

from roadworthy.access import Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu."""

    name: str
    address: str
    icon: str
    permission: Permission
    key: str
    """Pressed after `g`, it leads there."""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under a heading."""

    name: str
    entries: tuple[Entry, ...]


MENU = (
    Group(
        "Operate",
        (
            Entry("Overview", "/", "overview", Permission.RUNS_READ, "o"),
            Entry("Runs", "/runs", "runs", Permission.RUNS_READ, "r"),
            Entry("Review inbox", "/reviews", "inbox", Permission.REVIEWS_READ, "i"),
            Entry("Costs and budgets", "/costs", "costs", Permission.COSTS_READ, "c"),
        ),
    ),
    Group(
        "Improve",
        (
            Entry("Prompts", "/prompts", "prompts", Permission.PROMPTS_READ, "p"),
            Entry("Evaluations", "/evaluations", "evaluations", Permission.PROMPTS_READ, "e"),
            Entry("Flags and routes", "/flags", "flags", Permission.PROMPTS_READ, "f"),
        ),
    ),
    Group(
        "Govern",
        (
            Entry("Audit log", "/audit", "audit", Permission.AUDIT_READ, "a"),
            Entry("Settings and access", "/settings", "settings", Permission.SETTINGS_READ, "s"),
        ),
    ),
)
