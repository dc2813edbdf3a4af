"""Roles, and the one table of what each may do. What a role is not given here, it may not do."""

from collections.abc import Mapping
from enum import StrEnum

from roadworthy.access.permission import Permission


class Role(StrEnum):
    """What somebody is, for a workflow or all of them, and for a tenant or all of them."""

    OWNER = "owner"
    """Answers for the project, and says who may do what."""
    OPERATOR = "operator"
    """Keeps it running: runs, queues, budgets. Decides nothing in a reviewer's place."""
    APPROVER = "approver"
    """Lets another version of a prompt serve."""
    REVIEWER = "reviewer"
    """Decides what waits for a person."""
    VIEWER = "viewer"
    """Sees how it goes, and no content."""
    SERVICE = "service"
    """A program that starts runs and calls models."""


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.OPERATOR: frozenset(
        {
            Permission.RUNS_READ,
            Permission.RUNS_CONTENT,
            Permission.RUNS_START,
            Permission.RUNS_MANAGE,
            Permission.REVIEWS_READ,
            Permission.REVIEWS_ASSIGN,
            Permission.PROMPTS_READ,
            Permission.FLAGS_MANAGE,
            Permission.COSTS_READ,
            Permission.BUDGETS_MANAGE,
            Permission.AUDIT_READ,
            Permission.SETTINGS_READ,
            Permission.METRICS_READ,
        }
    ),
    Role.APPROVER: frozenset(
        {
            Permission.RUNS_READ,
            Permission.RUNS_CONTENT,
            Permission.REVIEWS_READ,
            Permission.PROMPTS_READ,
            Permission.PROMPTS_PROMOTE,
            Permission.FLAGS_MANAGE,
            Permission.COSTS_READ,
        }
    ),
    Role.REVIEWER: frozenset(
        {
            Permission.RUNS_READ,
            Permission.RUNS_CONTENT,
            Permission.REVIEWS_READ,
            Permission.REVIEWS_DECIDE,
            Permission.PROMPTS_READ,
            Permission.FEEDBACK_GIVE,
        }
    ),
    Role.VIEWER: frozenset(
        {
            Permission.RUNS_READ,
            Permission.REVIEWS_READ,
            Permission.PROMPTS_READ,
            Permission.COSTS_READ,
            Permission.METRICS_READ,
        }
    ),
    Role.SERVICE: frozenset(
        {
            Permission.RUNS_READ,
            Permission.RUNS_CONTENT,
            Permission.RUNS_START,
            Permission.CALLS_MAKE,
            Permission.FEEDBACK_GIVE,
        }
    ),
}
