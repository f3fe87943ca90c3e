"""How the tests are shared out among processes: nothing is lost, what belongs together stays together, the longest begin first."""

from __future__ import annotations

from tests.support.sharing import in_order, unit_of


def test_a_file_is_a_unit_and_so_is_a_folder_with_one_system():
    assert unit_of("tests/unit/test_home.py::Class::test_x[a::b]") == "tests/unit/test_home.py"
    assert unit_of("tests/browser/test_a.py::test_x") == unit_of("tests/browser/test_b.py::test_y") == "tests/browser/"


def test_the_longest_begin_first_with_short_ones_between():
    light = [f"tests/unit/test_{number}.py" for number in range(9)]
    heavy = ["tests/acceptance/test_sms.py", "tests/acceptance/test_up.py", "tests/migration/test_up_and_down.py"]
    ordered = in_order(f"{unit}::test_{number}" for unit in [*heavy, *light] for number in range(2))
    assert [unit for unit in ordered if unit in heavy] == [heavy[1], heavy[0], heavy[2]]
    assert [unit for unit in ordered if unit in light] == light
    assert ordered[:6] == [heavy[1], *light[:3], heavy[0], light[3]] and len(ordered) == 12


def test_few_light_files_are_all_there():
    assert in_order(["tests/unit/test_a.py::x", "tests/acceptance/test_b.py::x"]) == [
        "tests/acceptance/test_b.py",
        "tests/unit/test_a.py",
    ]
    assert in_order([]) == []
