"""What a principal may do, and that lists show exactly that."""

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.access import PERMISSIONS, Grant, Permission, Principal, PrincipalKind, Role
from roadworthy.errors import Forbidden, InvalidInput

NAMES = st.sampled_from(["", "a", "b", "*", "%", "A"])
GRANTS = st.builds(
    Grant,
    st.sampled_from(Role),
    workflow=NAMES,
    tenant=st.none() | NAMES.filter(bool),
)
PRINCIPALS = st.builds(
    Principal, st.just(PrincipalKind.PERSON), st.just("p"), st.just("P"), st.frozensets(GRANTS, max_size=4)
)
ROWS = [(workflow, tenant) for workflow in ("", "a", "b", "A", "%") for tenant in ("", "a", "b", "*")]


def of(*grants: Grant) -> Principal:
    """Somebody with these grants."""
    return Principal(PrincipalKind.PERSON, "p", "P", frozenset(grants))


@given(PRINCIPALS, st.sampled_from(Permission), NAMES, NAMES)
def test_a_list_shows_what_may_be_seen_and_nothing_else(principal, permission, workflow, tenant):
    """`scope` and `may` are two ways to say the same."""
    allowed = principal.may(permission, workflow=workflow, tenant=tenant)
    assert principal.scope(permission).allows(workflow, tenant) == allowed


@given(PRINCIPALS, st.sampled_from(Permission))
def test_the_condition_in_sql_says_the_same(principal, permission):
    """For rows of every workflow and tenant, and of none."""
    scope = principal.scope(permission)
    engine = sa.create_engine("sqlite://")
    rows = sa.union_all(*(sa.select(sa.literal(w).label("w"), sa.literal(t).label("t")) for w, t in ROWS))
    table = rows.subquery()
    with engine.connect() as tx:
        found = tx.execute(sa.select(table).where(scope.condition(table.c.w, table.c.t))).all()
    engine.dispose()
    assert sorted(map(tuple, found)) == sorted(row for row in ROWS if scope.allows(*row))


@given(PRINCIPALS, GRANTS, st.sampled_from(Permission), NAMES, NAMES)
def test_nobody_gives_what_they_may_not_do(principal, grant, permission, workflow, tenant):
    """What somebody can give lets nobody do more than they may themselves."""
    if principal.may_give(grant) and of(grant).may(permission, workflow=workflow, tenant=tenant):
        assert principal.may(permission, workflow=workflow, tenant=tenant)


def test_without_grants_nothing_is_allowed():
    """Deny by default."""
    assert not any(of().may(permission) for permission in Permission)
    assert not of().scope(Permission.RUNS_READ).allows("", "")


def test_a_grant_for_a_tenant_reaches_neither_another_one_nor_what_has_none():
    """Nor does one for a workflow."""
    viewer = of(Grant(Role.VIEWER, tenant="acme"))
    assert viewer.may(Permission.RUNS_READ, workflow="any", tenant="acme")
    assert not viewer.may(Permission.RUNS_READ, tenant="other")
    assert not viewer.may(Permission.RUNS_READ)
    reviewer = of(Grant(Role.REVIEWER, "sort"))
    assert reviewer.may(Permission.REVIEWS_DECIDE, workflow="sort", tenant="acme")
    assert not reviewer.may(Permission.REVIEWS_DECIDE)


def test_grants_do_not_add_up_across_what_they_are_for():
    """A role for one workflow and a tenant for another do not make a third."""
    principal = of(Grant(Role.VIEWER, "sort", "acme"), Grant(Role.REVIEWER, "answer", "other"))
    assert not principal.may(Permission.RUNS_READ, workflow="sort", tenant="other")
    assert not principal.may(Permission.REVIEWS_DECIDE, workflow="sort", tenant="acme")


def test_a_refusal_names_the_permission():
    """So that an owner knows what to give."""
    with pytest.raises(Forbidden, match=r"needs runs\.manage"):
        of(Grant(Role.VIEWER)).require(Permission.RUNS_MANAGE)
    of(Grant(Role.OPERATOR)).require(Permission.RUNS_MANAGE)


@pytest.mark.parametrize(
    "wrong", [{"tenant": ""}, {"tenant": "a\n"}, {"workflow": "\x1b"}, {"tenant": "x" * 201}]
)
def test_a_grant_that_hides_what_it_is_for_is_refused(wrong):
    """An empty tenant is mostly a variable that was not set: it must not mean all of them."""
    with pytest.raises(InvalidInput):
        Grant(Role.VIEWER, **wrong)


def test_the_terminal_may_do_everything_and_is_named():
    """Whoever can run the command line can read the database."""
    terminal = Principal.terminal("maria")
    assert all(terminal.may(permission, workflow="w", tenant="t") for permission in Permission)
    assert (terminal.kind, terminal.id, terminal.name) == ("terminal", "maria", "maria")


def test_only_an_owner_says_who_may_do_what():
    """And every role is in the table, with something it may do."""
    assert [role for role in Role if Permission.ACCESS_MANAGE in PERMISSIONS[role]] == [Role.OWNER]
    assert all(PERMISSIONS[role] for role in Role)
    assert PERMISSIONS[Role.OWNER] == frozenset(Permission)
    decide = [role for role in Role if Permission.REVIEWS_DECIDE in PERMISSIONS[role]]
    assert decide == [Role.OWNER, Role.REVIEWER]
