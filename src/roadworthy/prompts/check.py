"""The rules for a section's template, checked when its file is loaded, and the fences woven into it.

Every expression that is printed goes through one of two filters. It counts as the project's own text only
when everything it is made of does: literals, trusted inputs, numbers and dates, and names bound to nothing
but these. All else is fenced. So a filter, a join, a loop or a `set` cannot lose a fence: the fence goes
around what comes out. Constructs that would capture printed text and print it again (macros, filter blocks,
includes) are not part of prompts. A section that instructs the model (system, assistant) may not print text
from outside at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from jinja2 import nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from roadworthy.errors import Fault, did_you_mean
from roadworthy.prompts.fence import looks_like_fence
from roadworthy.prompts.sandbox import COUNTED, COUNTERS, FENCED, OWN, Sandbox, sandbox
from roadworthy.prompts.version import InputSpec, Section

_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.With),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.CondExpr, nodes.Concat, nodes.Compare),
    *(nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul),
    *(nodes.Div, nodes.FloorDiv, nodes.Mod),
)
_INSTEAD: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Call: "a call is not part of a prompt's template: use a filter, for example {{ name | upper }}.",
    nodes.Pow: "'**' is not part of a prompt's template: compute the number in Python.",
    nodes.AssignBlock: "write {% set name = … %} in one line; a set block is not part of a prompt.",
}
_MEANINGS: Final = {"loop": "write it like loop.index", "range": "write it like range(3)"}
_COUNTING: Final = frozenset({"length", "count", "wordcount"})


def check_templates(sections: Iterable[Section], inputs: Mapping[str, InputSpec], file: str) -> list[Fault]:
    """Everything that is wrong with the templates of these sections."""
    return [fault for section in sections for fault in Tree(sandbox(), section, inputs, file).faults]


class Tree:
    """A section's parsed template and what is wrong with it."""

    def __init__(
        self, sandbox: Sandbox, section: Section, inputs: Mapping[str, InputSpec], file: str
    ) -> None:
        self.section = section
        self.faults: list[Fault] = []
        self.template: nodes.Template | None = None
        """None when it does not parse."""
        self.fences = False
        """Whether anything printed here may carry text from outside."""
        self._inputs = inputs
        self._file = file
        self._sandbox = sandbox
        try:
            self._check()
        except TemplateSyntaxError as error:
            self._fault(error.lineno, f"the template does not parse: {error.message}")
        except (RecursionError, TemplateError):
            self._fault(1, "the template does not parse: it is nested too deeply.")

    def _fault(self, line: int | None, message: str) -> None:
        self.faults.append(Fault(message, file=self._file, line=self.section.line + (line or 1) - 1))

    def _check(self) -> None:
        imitation = looks_like_fence(self.section.source)
        if imitation is not None:
            line = self.section.source.count("\n", 0, imitation) + 1
            self._fault(line, "'<untrusted' is kept for the fences that Roadworthy adds: use another tag.")
        self.template = self._sandbox.parse(self.section.source)
        every = list(_walk(self.template))
        self._check_constructs(every)
        if self.faults:
            return
        self._check_names(every)
        self._fence(every)
        self.template.set_environment(self._sandbox)

    def _check_constructs(self, every: Iterable[nodes.Node]) -> None:
        for node in every:
            if isinstance(node, nodes.Call) and _is_range(node):
                continue
            if not isinstance(node, _ALLOWED):
                word = type(node).__name__.lower()
                instead = f"'{word}' is not part of a prompt's template: write the text out here."
                self._fault(node.lineno, _INSTEAD.get(type(node), instead))
            elif isinstance(node, nodes.Filter) and node.node is None:
                self._fault(
                    node.lineno, "a filter block is not part of a prompt's template: filter each value."
                )
            elif isinstance(node, nodes.For) and node.recursive:
                self._fault(node.lineno, "'recursive' is not part of a prompt's template: nest the loops.")
            elif isinstance(node, nodes.Filter | nodes.Test):
                self._check_known(node)

    def _check_known(self, node: nodes.Filter | nodes.Test) -> None:
        noun, table = (
            ("filter", self._sandbox.filters)
            if isinstance(node, nodes.Filter)
            else ("test", self._sandbox.tests)
        )
        known = [name for name in table if name.isidentifier()]
        if node.name not in known:
            self._fault(
                node.lineno, f"there is no {noun} {node.name!r}. {did_you_mean(node.name, known)}".rstrip()
            )

    def _check_names(self, every: Iterable[nodes.Node]) -> None:
        names = [node for node in every if isinstance(node, nodes.Name)]
        bound = {node.name for node in names if node.ctx != "load"}
        known = bound | self._inputs.keys()
        used = {id(node.node) for node in every if isinstance(node, nodes.Call | nodes.Getattr)}
        for node in names:
            if node.name in _MEANINGS:
                if node.ctx != "load" or id(node) not in used:
                    self._fault(
                        node.lineno, f"{node.name!r} has a meaning of its own: {_MEANINGS[node.name]}."
                    )
            elif node.name not in known:
                hint = did_you_mean(node.name, known)
                self._fault(
                    node.lineno, f"{node.name!r} is not declared: add it under 'inputs'. {hint}".rstrip()
                )

    def _fence(self, every: list[nodes.Node]) -> None:
        outside = self._names_from_outside(every)
        for node in every:
            if isinstance(node, nodes.For):
                node.iter = _filtered(node.iter, COUNTED)
            elif isinstance(node, nodes.Output):
                node.nodes = [self._printed(part, outside) for part in node.nodes]

    def _printed(self, part: nodes.Expr, outside: set[str]) -> nodes.Expr:
        if isinstance(part, nodes.TemplateData):
            return part
        if not _carries(part, outside):
            return _filtered(part, OWN)
        self.fences = True
        if self.section.role != "user":
            named = sorted({node.name for node in _walk(part) if isinstance(node, nodes.Name)} & outside)
            self._fault(
                part.lineno,
                f"a {self.section.role} section cannot print {named[0]!r}: it carries text from outside, "
                "which could pass for instructions. Move it to a '# user' section, or declare 'trusted: "
                "true' if your own code wrote it.",
            )
        return _filtered(part, FENCED)

    def _names_from_outside(self, every: Iterable[nodes.Node]) -> set[str]:
        """Inputs that carry text, and all names bound to something made of them."""
        outside = {name for name, spec in self._inputs.items() if spec.carries_text} | {"loop"}
        bindings = [binding for node in every for binding in _bindings(node)]
        while True:
            found = {name for names, value in bindings if _carries(value, outside) for name in names}
            if found <= outside:
                return outside
            outside |= found


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _is_range(node: nodes.Call) -> bool:
    callee = node.node
    plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
    return plain and isinstance(callee, nodes.Name) and callee.name == "range"


def _filtered(value: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=value.lineno)


def _bindings(node: nodes.Node) -> Iterator[tuple[set[str], nodes.Node]]:
    if isinstance(node, nodes.Assign):
        yield _names(node.target), node.node
    elif isinstance(node, nodes.For):
        yield _names(node.target), node.iter
    elif isinstance(node, nodes.With):
        for target, value in zip(node.targets, node.values, strict=True):
            yield _names(target), value


def _names(target: nodes.Node) -> set[str]:
    return {node.name for node in _walk(target) if isinstance(node, nodes.Name)}


def _carries(expression: nodes.Node, outside: set[str]) -> bool:
    """Whether the expression's value may be made of text from outside. When in doubt, yes."""
    match expression:
        case nodes.Name():
            return expression.name in outside
        case nodes.Compare() | nodes.Not() | nodes.Test():
            return False  # true or false
        case nodes.Filter() if expression.name in _COUNTING:
            return False  # a number
        case nodes.Getattr(node=nodes.Name(name="loop")) if expression.attr in COUNTERS:
            return False  # a number, true or false
        case nodes.CondExpr():
            branches = (expression.expr1, expression.expr2)
            return any(_carries(branch, outside) for branch in branches if branch is not None)
        case _:
            return any(_carries(child, outside) for child in expression.iter_child_nodes())
