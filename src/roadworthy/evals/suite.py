"""A suite: what is evaluated, on which cases, by which evaluators, and how good it has to be.

evals/draft-reply/
    suite.toml       this, as `Suite`
    cases.jsonl      the data set
    baseline.json    what the last accepted version did, case by case; committed
    judges.json      which judges were compared with people's labels; committed
    tape.jsonl       recorded answers for machines without a model; optional, committed
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from roadworthy.errors import ConfigurationError, NotFound, did_you_mean
from roadworthy.evals.evaluators import EvaluatorSettings
from roadworthy.evals.faults import told
from roadworthy.settings.means import Money
from roadworthy.settings.model import Score, Section
from roadworthy.settings.rules import Function, Name, PathText, RuleError, Seconds, SmallCount, Text

FOLDER = "evals"
FILE = "suite.toml"


class JudgesSettings(Section):
    """`[judges]`: when a judge may decide whether a case passed; until then it only informs."""

    min_labels: Annotated[int, Field(ge=2, le=1_000_000)] = 50
    """Outputs that people have labelled, at least; 2 or more."""
    min_kappa: Score = 0.6
    """How far it agrees with them beyond chance, at least (Cohen's kappa); 0 to 1."""


class SuiteSettings(Section):
    """`suite.toml`."""

    model_config = ConfigDict(defer_build=True)

    description: str = ""
    """What it is about, in a sentence."""
    prompt: Text | None = None
    """The prompt that is evaluated. Left out with `workflow` and `function`, the one of the suite's name."""
    workflow: Name | None = None
    """The workflow that is evaluated, its actions recorded and not performed."""
    function: Function | None = None
    """The function that is evaluated, as `module:function`; it takes a case's inputs by name."""
    cases: PathText = "cases.jsonl"
    """The data set, relative to the suite's folder."""
    min_pass: Score = 0.9
    """The share of cases that has to pass: the verdict is about what others like them would do."""
    tags: dict[str, Score] = Field(default_factory=dict[str, Score])
    """The share of this data set's cases with a tag that has to pass, such as `must-refuse = 1.0`."""
    max_loss: Score | None = None
    """How much worse than the baseline it may be at most, as a share of cases. Left out, only a loss that
    chance does not explain fails."""
    repeats: SmallCount = 1
    """How often each case is answered."""
    concurrency: SmallCount = 8
    """Cases under way at a time; 1 to 1,000."""
    timeout_seconds: Seconds = 120
    """How long one case may take."""
    evaluator_seconds: Seconds = 60
    """How long one evaluator may take for one case."""
    budget_usd: Money | None = None
    """US dollars that one experiment may cost. Left out, what the environment's budgets leave."""
    judges: JudgesSettings = JudgesSettings()
    """When a judge may decide."""
    evaluators: Annotated[list[EvaluatorSettings], Field(min_length=1)]
    """Who judges."""

    @model_validator(mode="after")
    def _one_target(self) -> "SuiteSettings":
        named = [one for one in (self.prompt, self.workflow, self.function) if one is not None]
        if len(named) > 1:
            raise RuleError("evaluates one thing: name a prompt, a workflow or a function")
        titles = [one.title for one in self.evaluators]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise RuleError(f"has two evaluators that are called {twice!r}: give one a 'name'")
        return self


@dataclass(frozen=True, slots=True)
class Suite:
    """One suite of a project."""

    name: str
    folder: Path
    settings: SuiteSettings

    @property
    def cases_file(self) -> Path:
        """The data set."""
        return self.folder / self.settings.cases

    @property
    def baseline_file(self) -> Path:
        """What the last accepted version did."""
        return self.folder / "baseline.json"

    @property
    def judges_file(self) -> Path:
        """What people's labels said of its judges."""
        return self.folder / "judges.json"

    @property
    def tape_file(self) -> Path:
        """Recorded answers that are committed."""
        return self.folder / "tape.jsonl"

    @property
    def target(self) -> tuple[str, str]:
        """What kind of thing is evaluated, and its name."""
        if self.settings.workflow is not None:
            return "workflow", self.settings.workflow
        if self.settings.function is not None:
            return "function", self.settings.function
        return "prompt", self.settings.prompt or self.name


def load_suites(root: Path) -> dict[str, Suite]:
    """Every suite of a project, by name. Raises `ConfigurationError`."""
    folder = root / FOLDER
    found = sorted(path.parent for path in folder.glob(f"*/{FILE}")) if folder.is_dir() else []
    return {one.name: load_suite(one) for one in found}


def load_suite(folder: Path) -> Suite:
    """The suite in a folder. Raises `ConfigurationError` with what is wrong with its file."""
    path = folder / FILE
    try:
        said: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Suite(folder.name, folder, SuiteSettings.model_validate(said))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{folder.name}/{FILE} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"{folder.name}/{FILE}: {' '.join(told(error, SuiteSettings))}") from error


def find(suites: dict[str, Suite], name: str) -> Suite:
    """One suite. Raises `NotFound`."""
    if name not in suites:
        hint = (
            did_you_mean(name, suites)
            or f"Write {FOLDER}/{name}/{FILE}, or make it: roadworthy evals new {name}"
        )
        raise NotFound(f"There is no suite {name!r}.", hint=hint)
    return suites[name]
