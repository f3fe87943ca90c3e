"""Which phase each task ends up in, whatever somebody chose."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.phases import rules
from app.features.phases.models import Choice
from tests.unit.phases.plans import choice, number, project, shape, task


class TestArranging:
    def test_a_good_choice_stays_as_it_is(self) -> None:
        plan = rules.arrange(project(4, {4: {1}}), project(4).tasks, choice([2, 1], [4, 3]))
        assert shape(plan) == [[2, 1], [4, 3]]
        assert (plan.backlog, plan.notes) == ((), {})

    def test_a_task_moves_behind_what_it_needs(self) -> None:
        garden = project(3, {1: {2}, 3: {1}})
        plan = rules.arrange(garden, garden.tasks, choice([1, 3], [2]))
        assert shape(plan) == [[2, 1, 3]]  # the first phase lost its tasks
        assert plan.notes["moved_later"] == [str(number(1)), str(number(3))]

    def test_inside_a_phase_too(self) -> None:
        garden = project(3, {1: {3}})
        assert shape(rules.arrange(garden, garden.tasks, choice([1, 2, 3]))) == [[2, 3, 1]]

    def test_a_task_left_out_goes_to_the_backlog(self) -> None:
        garden = project(3)
        plan = rules.arrange(garden, garden.tasks, choice([2]))
        assert (shape(plan), plan.backlog) == ([[2]], (number(1), number(3)))

    def test_unless_a_chosen_one_needs_it(self) -> None:
        garden = project(4, {2: {3}, 3: {4}})
        plan = rules.arrange(garden, garden.tasks, choice([1], [2]))
        assert (shape(plan), plan.backlog) == ([[1], [4, 3, 2]], ())
        assert sorted(plan.notes["taken_in"]) == [str(number(3)), str(number(4))]

    def test_twice_counts_once_and_unknown_counts_for_nothing(self) -> None:
        garden = project(2)
        assert shape(rules.arrange(garden, garden.tasks, choice([1, 1, 99], [1, 2]))) == [[1], [2]]

    def test_a_circle_comes_together_into_its_latest_phase(self) -> None:
        garden = project(4, {1: {2}, 2: {3}, 3: {1}, 4: {1}})
        plan = rules.arrange(garden, garden.tasks, choice([1, 4], [2], [3]))
        assert shape(plan) == [[1, 2, 3, 4]]
        assert plan.notes["circles"] == [[str(number(name)) for name in (1, 2, 3)]]

    def test_a_circle_of_which_one_is_chosen_comes_whole(self) -> None:
        garden = project(3, {1: {2}, 2: {1}, 3: {2}})
        assert shape(rules.arrange(garden, garden.tasks, choice([3], [1]))) == [[1, 2, 3]]

    def test_tasks_that_are_not_planned_pass_on_what_they_need(self) -> None:
        garden = project([task(1), task(2, status="blocked"), task(3)], {3: {2}, 2: {1}})
        plan = rules.arrange(garden, rules.selected(garden, ["backlog"]), choice([3], [1]))
        assert shape(plan) == [[1, 3]]

    def test_and_what_is_done_does_not(self) -> None:
        garden = project([task(1), task(2, status="done"), task(3)], {3: {2}, 2: {1}})
        assert shape(rules.arrange(garden, rules.selected(garden, None), choice([3], [1]))) == [[3], [1]]

    @settings(max_examples=80, deadline=None)
    @given(
        st.dictionaries(st.integers(1, 8), st.sets(st.integers(1, 8), max_size=3)),
        st.lists(st.lists(st.integers(1, 10), max_size=5), max_size=4),
        st.sets(st.integers(1, 8)),
    )
    def test_whatever_is_chosen(self, needs: dict[int, set[int]], phases: list[list[int]], blocked: set[int]) -> None:
        garden = project(
            [task(name, status="blocked" if name in blocked else "backlog") for name in range(1, 9)], needs
        )
        tasks = rules.selected(garden, ["backlog"])
        plan = rules.arrange(garden, tasks, choice(*phases))
        placed = [name for phase in shape(plan) for name in phase]
        assert sorted([*placed, *(each.int for each in plan.backlog)]) == [each.id.int for each in tasks]  # each once
        assert all(phase for phase in shape(plan))
        reach = {name: _reach(name, needs) for name in range(1, 9)}
        for name in placed:
            for need in reach[name] & set(placed) - {name}:
                in_a_circle = name in reach[need]
                same = any({name, need} <= set(phase) for phase in shape(plan))
                assert same if in_a_circle else placed.index(need) < placed.index(name)
            assert not reach[name] & {each.int for each in plan.backlog}  # nothing waits for the backlog


def _reach(name: int, needs: dict[int, set[int]]) -> set[int]:
    found, look = set(), [name]
    while look:
        new = needs.get(look.pop(), set()) - found
        found |= new
        look += new
    return found


class TestByDependencies:
    def test_what_needs_nothing_comes_first(self) -> None:
        garden = project(4, {2: {1}, 3: {2}})
        made = rules.by_dependencies(garden, garden.tasks, "no model")
        assert [phase.name for phase in made.phases] == ["Groundwork", "Main work", "Finish"]
        assert shape(made) == [[1, 4], [2], [3]]
        assert (made.planned_by, made.model, made.summary) == ("dependencies", None, "no model")

    def test_without_dependencies_priorities_decide(self) -> None:
        garden = project([task(1, priority="low"), task(2), task(3, status="in_progress"), task(4, priority="high")])
        made = rules.by_dependencies(garden, garden.tasks, "")
        assert shape(made) == [[3, 4], [2], [1]]

    def test_a_long_chain_makes_few_phases(self) -> None:
        garden = project(50, {name: {name - 1} for name in range(2, 51)})
        plan = rules.arrange(garden, garden.tasks, rules.by_dependencies(garden, garden.tasks, ""))
        assert [len(phase) for phase in shape(plan)] == [10] * 5
        assert [name for phase in shape(plan) for name in phase] == list(range(1, 51))

    def test_nothing_is_nothing(self) -> None:
        assert rules.by_dependencies(project(0), (), "").phases == ()


class TestWhatStays:
    def test_phases_stay_and_new_tasks_come_behind_them(self) -> None:
        garden = project(4, phases=[[2], [1]])
        assert [each.id.int for each in rules.selected(garden, None, include_placed=False)] == [3, 4]
        kept = rules.kept_phases(garden, garden.tasks)
        whole = rules.behind(kept, choice([4, 1], [3]), rules.selected(garden, None, include_placed=False))
        assert shape(rules.arrange(garden, garden.tasks, whole)) == [[2], [1], [4], [3]]

    def test_a_placed_task_that_needs_a_new_one_is_planned_anew(self) -> None:
        garden = project(4, {1: {3}, 2: {1}}, phases=[[1, 4], [2]])
        assert [each.id.int for each in rules.selected(garden, None, include_placed=False)] == [1, 2, 3]
        assert [[each.id.int for each in phase.tasks] for phase in rules.kept_phases(garden, garden.tasks)] == [[4]]

    def test_done_tasks_are_planned_only_when_asked_for(self) -> None:
        garden = project([task(1, status="done"), task(2)])
        assert [each.id.int for each in rules.selected(garden, None)] == [2]
        assert [each.id.int for each in rules.selected(garden, ["done"])] == [1]

    def test_an_empty_choice_keeps_what_is_there(self) -> None:
        garden = project(2, phases=[[1, 2]])
        whole = rules.behind(rules.kept_phases(garden, garden.tasks), Choice((), "dependencies"), ())
        assert shape(rules.arrange(garden, garden.tasks, whole)) == [[1, 2]]
