"""`roadworthy routes`: which models answer what, and the router that is trained from eval results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import JsonOption, Place, command

if TYPE_CHECKING:
    from roadworthy.models.learned import RouterFile
    from roadworthy.settings import RouteSettings, Settings

group = typer.Typer(help="List and show routes; train a router.", no_args_is_help=True)

RouteArgument = Annotated[str, typer.Argument(help="The route's name.", metavar="ROUTE")]


@command(group, "list")
def list_(place: Place, as_json: JsonOption = False) -> None:
    """List the routes: models in order, how one is chosen, what follows them, cache, hedge, limits."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_settings
    from roadworthy.cli.route_text import cache_of, choice_of, hedge_of, limits_of

    settings = load_settings(place)
    rows = [_row(settings, name) for name in settings.routes]
    if as_json:
        terminal.print_json({"routes": rows})
        return
    if not rows:
        terminal.say("No routes. Add one to roadworthy.toml: [routes.<name>] with models.")
        return
    made = terminal.table("route", "models", "choose", "then", "cache", "hedge", "limits")
    for row in rows:
        cells = (
            row["name"],
            terminal.listing(row["models"]),
            choice_of(row),
            terminal.listing(row["then"]),
            cache_of(row["cache"]),
            hedge_of(row),
            "; ".join(limits_of(row)),
        )
        made.add_row(*(terminal.clean(cell) for cell in cells))
    terminal.show(made)


@command(group)
def show(place: Place, route: RouteArgument, as_json: JsonOption = False) -> int:
    """Show a route in full, with what its trained router was proven to do; exit code 1 if it is unusable."""
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_settings
    from roadworthy.cli.route_text import lines_of, warnings_of
    from roadworthy.cli.router_report import print_report

    settings = load_settings(place)
    _known(settings, route)
    row, trained = _row(settings, route), _trained(settings, route)[0]
    code = 1 if row["router"] and row["router"]["fault"] else 0
    if as_json:
        terminal.print_json(row)
        return code
    for name, value in lines_of(row):
        terminal.say(f"{name:<14}{terminal.clean(value)}")
    if trained is not None:
        terminal.say()
        print_report(trained)
    for text in warnings_of(row):
        terminal.say(f"warning: {terminal.clean(text)}")
    return code


@command(group)
def train(
    place: Place,
    route: RouteArgument,
    results: Annotated[
        Path,
        typer.Option(
            "--results", metavar="FILE", help="Eval results, JSONL or CSV: text, and each model's score."
        ),
    ],
    max_loss: Annotated[
        float,
        typer.Option(
            "--max-loss", metavar="LOSS", help="How much lower the mean score may be, such as 0.01."
        ),
    ],
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="SHARE", help="How sure that must be, 0.5 to 1.")
    ] = 0.95,
    strong: Annotated[
        str | None,
        typer.Option("--strong", metavar="MODEL", help="The strong model; else the second of the route."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Where to write it; else routes/ROUTE.json in the project."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Learn which requests the route's first model answers well enough, and prove what share that is.

    The share is an outcome: where too little is proven it is 0, and the router sends everything to the strong
    model. The file is written either way.
    """
    from roadworthy.cli import terminal
    from roadworthy.cli.project import load_settings
    from roadworthy.cli.router_report import print_report
    from roadworthy.models.learned import read_results
    from roadworthy.models.learned import train as learn
    from roadworthy.records import SystemClock

    settings = load_settings(place)
    cheap, strong = _pair(_known(settings, route), route, strong)
    path = out.absolute() if out is not None else _place_of(settings, route)
    trained = learn(
        read_results(results, cheap=cheap, strong=strong),
        route=route,
        cheap=cheap,
        strong=strong,
        max_loss=max_loss,
        confidence=confidence,
        served=_served(settings, (cheap, strong)),
        trained_at_ms=SystemClock().now_ms(),
    )
    trained.write(path)
    if as_json:
        terminal.print_json({"file": str(path), **trained.model_dump(mode="json", exclude={"terms"})})
        return
    print_report(trained)
    terminal.say()
    terminal.say(f"Written to {terminal.clean(path)}.")
    _tell_how_to_use(settings, route, path)


def _tell_how_to_use(settings: "Settings", route: str, path: Path) -> None:
    from roadworthy.cli import terminal

    used = settings.routes[route]
    if used.choose == "learned" and used.router and settings.path(used.router).absolute() == path:
        return
    shown = path.relative_to(settings.root) if path.is_relative_to(settings.root) else path
    terminal.say(f"To use it, set choose and router of route {terminal.clean(route)} in roadworthy.toml:")
    terminal.say(f'choose = "learned"\nrouter = "{terminal.clean(shown.as_posix())}"')


def _known(settings: "Settings", route: str) -> "RouteSettings":
    from roadworthy.errors import NotFound, did_you_mean

    if route not in settings.routes:
        raise NotFound(f"There is no route {route!r}.", hint=did_you_mean(route, settings.routes))
    return settings.routes[route]


def _pair(settings: "RouteSettings", route: str, strong: str | None) -> tuple[str, str]:
    """The cheap model and the strong one."""
    from roadworthy.errors import InvalidInput, did_you_mean

    cheap, *others = settings.models
    if strong is None and others:
        return cheap, others[0]
    if strong is None:
        raise InvalidInput(
            f"Route {route!r} has one model; there is nothing to choose.",
            hint="Put a cheap model first and a strong one after it.",
        )
    if strong not in others:
        raise InvalidInput(
            f"Route {route!r} does not ask {strong!r} after {cheap!r}.", hint=did_you_mean(strong, others)
        )
    return cheap, strong


def _place_of(settings: "Settings", route: str) -> Path:
    from roadworthy.errors import InvalidInput

    if not all(letter.isalnum() or letter in "-_. " for letter in route) or route.startswith("."):
        raise InvalidInput(f"The route's name {route!r} is not the name of a file.", hint="Give --out FILE.")
    return settings.root / "routes" / f"{route}.json"


def _served(settings: "Settings", names: tuple[str, ...]) -> dict[str, str]:
    """What the providers call these models."""
    from roadworthy.models import Models

    models = Models(settings)
    return {name: models.target(name).model for name in names}


def _trained(settings: "Settings", name: str) -> "tuple[RouterFile | None, str, list[str]]":
    """The route's trained router, what is wrong with it, and which of its models are others now."""
    from roadworthy.errors import ConfigurationError
    from roadworthy.models import LearnedRouter

    route = settings.routes[name]
    if route.choose != "learned" or route.router is None:
        return None, "", []
    try:
        router = LearnedRouter.load(settings.path(route.router))
        router.require(name, route.models)
    except ConfigurationError as error:
        return None, str(error), []
    return router.trained, "", router.changed(_served(settings, (router.cheap, router.strong)))


def _row(settings: "Settings", name: str) -> dict[str, Any]:
    route = settings.routes[name]
    trained, fault, changed = _trained(settings, name)
    wanted = ("requests_per_minute", "tokens_per_minute", "max_open_requests", "max_concurrency")
    router: dict[str, Any] | None = None
    if route.router is not None and route.choose == "learned":
        router = {"file": route.router, "fault": fault, "changed": changed, "report": None}
        if trained is not None:
            router["report"] = trained.model_dump(mode="json", exclude={"terms"})
    return {
        "name": name,
        **route.model_dump(mode="json", exclude={"router"}),
        "router": router,
        "limits": {
            model: {key: getattr(settings.models[model], key) for key in wanted} for model in route.models
        },
    }
