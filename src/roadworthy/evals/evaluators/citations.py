"""`citations`: what the output cites is among what the case gave it, and says so word for word."""

from typing import Any, Literal, cast

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.evaluators.values import MISSING, found, items_of, keys_of, shown, text_of
from roadworthy.evals.target import Outcome


class CitationsSettings(Common):
    """`kind = "citations"`: each cited id is that of a source, and each quote stands in that source.

    `field` is the list of citations: ids, or objects with an id and perhaps a quote.
    """

    kind: Literal["citations"]
    """Which evaluator."""
    field: str = "citations"
    """Where in the output the citations are."""
    id_field: str = "id"
    """Where in a citation the source's id stands."""
    quote_field: str = "quote"
    """Where in a citation the quote stands. Empty: quotes are not looked at."""
    sources: str = "inputs.sources"
    """Where in the case the sources are, from `inputs` or `expected` on: a list of ids or objects, or a table
    of texts by id."""
    source_id_field: str = "id"
    """Where in a source its id stands."""
    source_text_field: str = "text"
    """Where in a source its text stands."""
    required: bool = True
    """Whether something has to be cited at all."""
    any_spaces: bool = False
    """Whether line breaks and several spaces count as one space in quotes."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Citations(self)


class _Citations(Plain[CitationsSettings]):
    def applies(self, case: Case) -> bool:
        return super().applies(case) and self._sources(case) is not None

    def score(self, case: Case, outcome: Outcome) -> Score:
        value = found(outcome.output, self.settings.field)
        given = [] if value is None or value is MISSING else items_of(value)
        if given is None:
            return self.no(f"there is no list of citations: {shown(value)}", category="no citation")
        if not given:
            return (
                self.no("it cites nothing", category="no citation")
                if self.settings.required
                else self.yes(1.0)
            )
        sources = self._sources(case) or {}
        faults = [fault for fault in (self._fault(one, sources) for one in given) if fault]
        value = 1 - len(faults) / len(given)
        if not faults:
            return self.yes(value)
        category, reason = faults[0]
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        return self.no(reason + more, value=value, category=category)

    def _fault(self, citation: Any, sources: dict[str | None, str | None]) -> tuple[str, str] | None:
        """The kind of failure and what is wrong with one citation."""
        bare = not isinstance(citation, dict)
        key = next(keys_of([citation], "" if bare else self.settings.id_field))
        if key is None or key not in sources:
            cited = citation if bare else found(citation, self.settings.id_field)
            return "unknown source", f"cites {shown(cited)}, which is no source of this case"
        quote = (
            MISSING if bare or not self.settings.quote_field else found(citation, self.settings.quote_field)
        )
        if quote is MISSING or quote is None:
            return None
        text = sources[key]
        if not isinstance(quote, str) or not quote.strip() or text is None:
            return "wrong quote", f"quotes {shown(quote)}, which is no text"
        if self._plain(quote) in self._plain(text):
            return None
        return "wrong quote", f"quotes {shown(quote)}, which does not stand in {shown(key)}"

    def _plain(self, text: str) -> str:
        return " ".join(text.split()) if self.settings.any_spaces else text

    def _sources(self, case: Case) -> dict[str | None, str | None] | None:
        """The text of each source by its id; None where the case has none."""
        place, _, path = self.settings.sources.partition(".")
        told: Any = found({"inputs": case.inputs, "expected": case.expected}.get(place), path)
        if isinstance(told, dict):
            table = cast("dict[str, Any]", told)
            return {key: text_of(text) for key, text in table.items()}
        items = items_of(told)
        if items is None:
            return None
        texts: dict[str | None, str | None] = {}
        for item in items:
            bare = not isinstance(item, dict)
            key = next(keys_of([item], "" if bare else self.settings.source_id_field))
            texts[key] = None if bare else text_of(found(item, self.settings.source_text_field))
        return texts
