"""The data folder: what cannot be one, and what is read back from it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.cli.summary import duration, summary, table
from app.embedded.home import Home, PartState, State
from app.embedded.processes import ProcessId, StartError


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StartError, match=r"^the data folder .*home cannot be used \(.*\); set BUILDOS_HOME"):
        Home(str(tmp_path / "home")).prepare()


def test_nor_is_one_below_a_file_or_in_proc(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "home", Path("/proc/home")):
        with pytest.raises(StartError, match="cannot be used"):
            Home(str(place)).prepare()


def test_the_state_is_read_back_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "with a space"))
    home.prepare()
    state = State(supervisor=ProcessId(1, "boot:1"), run="r", ready=True, kept={"postgres_port": "5"})
    state.parts["api"] = PartState("api", "ready", "http://127.0.0.1:3001", ProcessId(2, "boot:2"), 10.5, 1)
    home.write(state)
    assert home.read() == state
    assert stat.S_IMODE((home.folder / "state.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"parts": 1}', '{"unknown": 1}'])
def test_a_damaged_state_is_one_clear_line(tmp_path: Path, content: str) -> None:
    home = Home(str(tmp_path))
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(StartError, match=r"state\.json is damaged"):
        home.read()


def test_before_anything_ran_nothing_is_running(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "none"))
    assert (home.running(), home.read(), home.turned_off()) == (False, State(), set())


def test_the_table_shows_every_part() -> None:
    state = State(
        parts={
            "beat": PartState("beat", "off", since=40.0),
            "api": PartState("api", "ready", "http://a", ProcessId(7, ""), 40.0),
            "worker": PartState("worker", "off"),  # since ever
        }
    )
    lines = table(state, 3700.0).splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["PART", "STATE", "PID"],
        ["api", "ready", "7"],
        ["worker", "off", "-"],
        ["beat", "off", "-"],
    ]
    assert "1h 1m" in lines[1]
    assert lines[2].split()[3:] == ["-", "-", "0"]


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0s"), (61, "1m 1s"), (3600, "1h"), (90000, "1d 1h"), (-5, "0s")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_the_hints_hold_in_a_terminal_that_does_not_know_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(addresses=dict.fromkeys(("api", "database", "redis", "logs"), "-") | {"home": "/data of mine"})
    monkeypatch.delenv("BUILDOS_HOME", raising=False)
    assert "BUILDOS_HOME" not in summary(state)
    monkeypatch.setenv("BUILDOS_HOME", "/data of mine")
    assert "  BUILDOS_HOME='/data of mine' " in summary(state)
