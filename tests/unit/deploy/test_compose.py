"""docker-compose.yml says what is there: schema, commands, settings, secrets, hardening. tests/topology runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import app as cli
from app.identity.binding import check_bind
from app.queue.catalog import queues as all_queues
from app.settings import Settings, load_settings
from app.settings_files import spellings
from app.web import main as api
from tasks.engine import TICKS
from tests.support.compose import FILE, Compose, Service, used_variables
from tests.support.servers import ROOT

COMPOSE = Compose({})
SERVICES = COMPOSE.services
DEPLOY = ROOT / "deploy"
KNOWN = {name for field, info in Settings.model_fields.items() for name in spellings(field, info)}
RUNS_ONCE = {"migrate"}

every = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
every_of_ours = pytest.mark.parametrize(
    "service", [one for one in SERVICES.values() if one.is_ours], ids=[one.name for one in SERVICES.values() if one.is_ours]
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `deploy` as deploy/prepare leaves it."""
    folder = tmp_path_factory.mktemp("deploy")
    for name in ("prepare", "settings.example.env"):
        shutil.copy(DEPLOY / name, folder / name)
    for _ in range(2):  # a second time changes nothing
        subprocess.run([folder / "prepare"], check=True, capture_output=True)
        secrets = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert secrets == {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    return folder


def test_it_is_valid_by_the_schema_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@every
def test_it_is_hardened_limited_and_watched(service: Service) -> None:
    given = service.given
    assert given["read_only"] is True and given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert given["user"].split(":")[0] not in ("", "0", "root")
    assert {"cpus", "memory"} <= given["deploy"]["resources"]["limits"].keys()
    assert "healthcheck" in given or service.name in RUNS_ONCE
    assert given["restart"] == ("on-failure:5" if service.name in RUNS_ONCE else "unless-stopped")
    assert ":" in given["image"] and not given["image"].endswith(":latest")


@every_of_ours
def test_its_environment_is_of_known_settings(service: Service) -> None:
    unknown = {name for name in service.environment if name.removesuffix("_FILE") not in KNOWN}
    assert unknown == set()


@every
def test_the_secrets_it_reads_are_given_to_it(service: Service, prepared: Path) -> None:
    words = [*service.command, *service.environment.values(), *(service.check if "healthcheck" in service.given else ())]
    read = {name for word in words for name in re.findall(r"/run/secrets/(\w+)", word)}
    assert read <= set(service.secrets)
    assert set(service.secrets) <= COMPOSE.whole["secrets"].keys()
    assert {path.name for path in (prepared / "secrets").iterdir()} == COMPOSE.whole["secrets"].keys()


@every_of_ours
@pytest.mark.parametrize("pooled", ["", "pooled_"], ids=["direct", "pooled"])
def test_it_starts_with_what_prepare_makes(
    service: Service, pooled: str, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Compose({"DATABASE_POOLED": pooled}).services[service.name].environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(prepared / "secrets")))
    settings = load_settings(_env_file=prepared / "settings.env")
    check_bind(settings)
    assert settings.app_env == "production" and settings.auth_mode == "jwt"
    assert "@postgres:5432/" in settings.listen_url
    assert ("@pgbouncer:6432/" in settings.database_url) == bool(pooled and service.name != "migrate")


@every_of_ours
def test_its_command_is_there(service: Service) -> None:
    words = service.command[-1].split() if service.command[0] == "sh" else service.command
    commands = typer.main.get_command(cli).commands.keys()
    for line in (words, service.check if "healthcheck" in service.given else ["buildos", "migrate"]):
        if "celery" in line:
            after = line[line.index("celery") + 1 :]
            assert after[:2] == ["-A", "tasks"] and after[2] in ("worker", "beat", "flower")
        elif line[:2] == ["python", "-c"]:
            compile(line[2], service.name, "exec")
        else:
            assert line[0] == "buildos" and line[1] in commands


def test_every_queue_has_one_service() -> None:
    workers = [one.command for name, one in SERVICES.items() if name.startswith("worker-")]
    queues = [queue for command in workers for queue in command[command.index("-Q") + 1].split(",")]
    assert sorted(queues) == sorted([*all_queues(), TICKS])


def test_there_is_time_to_stop() -> None:
    drain = Settings.model_fields["queue_drain_timeout"].default
    for name, service in SERVICES.items():
        if name.startswith("worker-"):
            assert service.stop_signal == "SIGQUIT" and service.grace >= drain + 10
    assert SERVICES["api"].grace >= 2 * api.DRAIN
    assert SERVICES["proxy"].grace > SERVICES["api"].grace


def test_the_proxy_names_every_api() -> None:
    upstreams = SERVICES["proxy"].environment["API_UPSTREAMS"].split()
    port = SERVICES["api"].environment["PORT"]
    assert upstreams == [f"{COMPOSE.whole['name']}-api-{n}:{port}" for n in range(1, SERVICES["api"].replicas + 1)]
    assert SERVICES["api"].replicas == SERVICES["beat"].replicas == 2


def test_who_talks_to_the_data_shares_its_network_and_nobody_else() -> None:
    networks = {name: set(one.given.get("networks", ["default"])) for name, one in SERVICES.items()}
    assert COMPOSE.whole["networks"]["data"] == {"internal": True}
    for name, service in SERVICES.items():
        assert ("data" in networks[name]) == (service.is_ours or name in ("postgres", "redis", "pgbouncer")), name
        published = service.given.get("ports", ())
        assert name == "proxy" or all(str(port).startswith("127.0.0.1:") for port in published), name


def test_the_image_gets_what_it_needs_and_nothing_else() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied) and "*" in ignored
    user = SERVICES["api"].given["user"]
    assert f"USER {user}" in text and f"-o {user.split(':')[0]} " in text


def test_what_is_mounted_and_built_is_there() -> None:
    for service in SERVICES.values():
        if build := service.given.get("build"):
            assert (ROOT / build["context"] / build.get("dockerfile", "Dockerfile")).is_file()
        for volume in service.given.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE.whole["volumes"]


def test_the_example_of_settings_names_settings_alone() -> None:
    lines = [line.lstrip("#") for line in (DEPLOY / "settings.example.env").read_text().splitlines() if "=" in line and not line.startswith("# ")]
    assert lines and {line.split("=")[0] for line in lines} <= KNOWN


def test_the_page_names_every_variable() -> None:
    page = (ROOT / "docs/deploy.md").read_text()
    assert {name for name in used_variables() if f"`{name}`" not in page} == set()
