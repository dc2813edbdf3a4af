"""What says whether a combination is good enough, without evaluating it again."""

from roadworthy.errors import NotFound
from roadworthy.evals import baseline, store
from roadworthy.evals.baseline import Baseline
from roadworthy.evals.experiment import Experiment, VerdictKind
from roadworthy.evals.plan import Plan, plan
from roadworthy.evals.project import SERVES, Project, Variant
from roadworthy.evals.suite import Suite
from roadworthy.evals.tape import Tape


def planned(project: Project, suite: Suite, variant: Variant = SERVES) -> Plan:
    """A plan that is only looked at."""
    tapes = Tape(project.database, project.clock, suite.name, None, "off")
    return plan(project, suite, variant, tapes, "exp")


def evidence(project: Project, suite: Suite, label: str) -> Experiment | Baseline | None:
    """The newest experiment of this version as it would serve now, else the baseline where it is of that.

    Raises `NotFound` for a version of which there is no file.
    """
    made = planned(project, suite, Variant(label=label))
    found = project.database.read_now(
        lambda tx: store.latest(tx, fingerprint=made.fingerprint, finished=True, limit=1)
    )
    if found:
        return found[0]
    accepted = baseline.read(suite.baseline_file)
    return accepted if accepted is not None and accepted.fingerprint == made.fingerprint else None


def passes(project: Project, suite: Suite, label: str) -> bool:
    """Whether there is evidence, and it says that the version passes."""
    try:
        found = evidence(project, suite, label)
    except NotFound:  # its text is in the database only, and nothing evaluates it there
        return False
    return found is not None and found.verdict is VerdictKind.PASS
