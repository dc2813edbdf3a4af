"""What `deploy/` holds fits the program: settings exist, ports meet, nobody is killed before their time."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from roadworthy.cli.main import app
from roadworthy.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
ASKED = {"PROJECT_DIR": "/project", "DATABASE_PASSWORD": "made-up"}
CLOSING_SECONDS = 10
"""How long a worker waits for what it cancels when its patience is over."""
COMMANDS = typer.main.get_command(app).commands


def interpolated(text: str) -> str:
    """A text of the compose file as Compose reads it, given nothing but what it insists on."""

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found[1], found[2], found[3]
        return ASKED[name] if operator == ":?" else rest

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", value, text)


COMPOSE = yaml.safe_load(interpolated((DEPLOY / "compose.yaml").read_text()))
SERVICES = COMPOSE["services"]
OWN = ("service", "worker", "migrate")
PROMETHEUS = {
    one["job_name"]: one for one in yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
}
IMAGE = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def image_environment() -> dict[str, str]:
    """What the last stage of the image sets."""
    last = IMAGE.rpartition("\nFROM ")[2]
    return dict(
        pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", last, re.MULTILINE) for pair in line.split()
    )


def unit(path: Path) -> dict[str, list[str]]:
    """A unit's `[Service]` section."""
    found: dict[str, list[str]] = {}
    section = path.read_text().partition("[Service]")[2].partition("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def seconds(text: str) -> float:
    """A length of time as compose files write it."""
    return float(text.removesuffix("s"))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """The settings of an empty project under an environment; unknown names are an error."""
    (tmp_path / "roadworthy.toml").touch()

    def settings(environment: dict[str, str]) -> Settings:
        for name, value in environment.items():
            if name.startswith("ROADWORTHY"):
                monkeypatch.setenv(name, value)
        return Settings.load(tmp_path)

    return settings


@pytest.mark.parametrize("name", OWN)
def test_every_setting_of_the_compose_file_exists_and_the_ports_meet(load, name):
    """Health checks, Prometheus, the collector and what is published speak of the same ports."""
    settings = load(image_environment() | SERVICES[name]["environment"])
    assert settings.environment == "production"
    assert SERVICES[name]["command"][0] in COMMANDS
    assert urlsplit(settings.database.url).hostname in SERVICES
    assert settings.service.host == settings.workers.health_host == "0.0.0.0"
    endpoint = urlsplit(str(settings.telemetry.endpoint))
    receivers = yaml.safe_load((DEPLOY / "collector.yaml").read_text())["receivers"]
    assert endpoint.hostname in SERVICES
    assert receivers["otlp"]["protocols"]["http"]["endpoint"].endswith(f":{endpoint.port}")
    checked = {one: urlsplit(SERVICES[one]["healthcheck"]["test"][-1]).port for one in ("service", "worker")}
    assert checked == {"service": settings.service.port, "worker": settings.workers.health_port}
    assert SERVICES["service"]["ports"] == [f"127.0.0.1:8080:{settings.service.port}"]
    target = PROMETHEUS["service"]["static_configs"][0]["targets"][0]
    assert target == f"service:{settings.service.port}"
    assert "service" in settings.service.allowed_hosts
    asked = PROMETHEUS["worker"]["dns_sd_configs"][0]
    assert (asked["names"], asked["port"]) == (["worker"], settings.workers.health_port)
    key = f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    assert {PROMETHEUS[one]["authorization"]["credentials_file"] for one in ("service", "worker")} == {key}


def test_nothing_is_killed_before_it_had_its_time(load):
    """Whoever stops a process waits longer than the process does."""
    settings = load(SERVICES["service"]["environment"])
    serving = settings.service.drain_seconds + settings.service.shutdown_seconds
    working = settings.workers.shutdown_seconds + CLOSING_SECONDS
    assert seconds(SERVICES["service"]["stop_grace_period"]) > serving + CLOSING_SECONDS
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > working
    given = {path.name: float(unit(path)["TimeoutStopSec"][0]) for path in UNITS}
    assert given["roadworthy.service"] > serving + working
    assert given["roadworthy-worker@.service"] > working


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name):
    """Nothing runs as root, writes outside of its volumes, or gains rights."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "collector" or "healthcheck" in service
    if name in OWN:
        assert service["volumes"][0]["read_only"] is True
        assert service["init"] is True


def test_runs_start_only_on_a_database_that_is_up_to_date():
    """The service and the workers wait for the migration, which waits for PostgreSQL."""
    after = {"migrate": {"condition": "service_completed_successfully"}}
    assert SERVICES["service"]["depends_on"] == SERVICES["worker"]["depends_on"] == after
    assert SERVICES["migrate"]["command"] == ["db", "upgrade"]
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_the_image_runs_this_version_as_nobody(load):
    """A numeric user, commands that exist, settings that exist, and the version of the package in the tag."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert SERVICES["service"]["image"] == f"roadworthy:{version}"
    assert f"--tag roadworthy:{version} ." in IMAGE
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    settings = load(image_environment())
    assert f"EXPOSE {settings.service.port}" in last
    for kind in ("HEALTHCHECK .*CMD", "ENTRYPOINT", "CMD"):
        words = json.loads(re.search(rf"^{kind} (\[.*\])$", last, re.MULTILINE)[1])
        assert [word for word in words if word != "roadworthy"][:1] in ([], ["ready"], ["serve"])
        assert all(word in COMMANDS for word in words if word not in ("roadworthy", "--no-worker"))


def test_what_the_image_installs_is_what_the_tests_ran_on():
    """Its locks pin the versions of `requirements/dev.txt`, each with hashes; all that it copies is there."""

    def pins(file: str) -> dict[str, str]:
        return dict(
            re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / file).read_text(), re.MULTILINE)
        )

    tested = pins("dev.txt")
    for file in ("service.txt", "build.txt"):
        assert pins(file).items() <= tested.items()
        assert (ROOT / "requirements" / file).read_text().count("--hash=") >= len(pins(file))
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*needed["dependencies"], *needed["optional-dependencies"]["otlp"]]
    named = {re.match(r"[\w.-]+", one)[0] for one in wanted if "sys_platform" not in one}
    assert named <= pins("service.txt").keys()
    for line in re.findall(r"^COPY (?!--from)(.*)$", IMAGE, re.MULTILINE):
        assert all((ROOT / name).exists() for name in line.split()[:-1])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_setting_and_command_of_a_unit_exists(load, path):
    """The command line is one that the program takes, and the first signal is the orderly one."""
    found = unit(path)
    words = found["ExecStart"][0].replace("%i", "8081").split()
    assert words[0].endswith("/roadworthy")
    options = {name for one in COMMANDS[words[1]].params for name in one.opts}
    assert options >= {word for word in words if word.startswith("--")}
    settings = load(dict(one.split("=", 1) for one in found["Environment"]))
    assert settings.environment == "production"
    assert (found["KillSignal"], found["KillMode"]) == (["SIGTERM"], ["mixed"])
    assert (found["DynamicUser"], found["ProtectSystem"]) == (["yes"], ["strict"])


def test_the_collector_has_every_part_that_its_pipelines_name():
    """Names in pipelines are declared."""
    found = yaml.safe_load((DEPLOY / "collector.yaml").read_text())
    for pipeline in found["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= found[kind].keys()


@pytest.mark.parametrize(
    "command",
    [
        ("systemd-analyze", "verify", "--man=no", "UNITS"),
        ("promtool", "check", "config", "--syntax-only", str(DEPLOY / "prometheus.yaml")),
        ("hadolint", str(DEPLOY / "Containerfile")),
    ],
    ids=lambda command: command[0],
)
def test_the_checkers_of_others_find_nothing(command, tmp_path):
    """systemd, Prometheus and hadolint read the files as we do, where they are installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; docs/deploy.md says how to run it")
    program = Path(sys.executable).with_name("roadworthy")
    copies = [tmp_path / path.name.replace("@.", "@8081.") for path in UNITS]
    for path, copy in zip(UNITS, copies, strict=True):
        copy.write_text(path.read_text().replace("/opt/roadworthy/bin/roadworthy", str(program)))
    words = [one for word in command for one in ([str(c) for c in copies] if word == "UNITS" else [word])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]  # not of the machine's units
    assert (done.returncode, said) == (0, []), done.stdout + done.stderr
