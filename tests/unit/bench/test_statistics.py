"""Percentiles, medians and ratios, by hand-made numbers."""

from __future__ import annotations

import pytest

from bench.soak import flatness
from bench.statistics import median, paired_ratio, percentile, summary


def test_percentiles_are_values_that_occurred():
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert percentile([7], 0.99) == 7


def test_the_median_of_an_even_number_is_between_the_two_in_the_middle():
    assert median([4, 1, 3, 2]) == 2.5
    assert median([3, 1, 2]) == 2


@pytest.mark.parametrize("function", [lambda: percentile([], 0.5), lambda: median([])])
def test_nothing_has_no_middle(function):
    with pytest.raises(ValueError, match="no values"):
        function()


def test_a_slow_round_does_not_change_a_ratio():
    assert paired_ratio([200, 20, 400], [100, 10, 200]) == 2


def test_rounds_that_failed_are_left_out_of_a_ratio():
    assert paired_ratio([300, 0, 100], [100, 0, 0]) == 3
    assert paired_ratio([], [100]) is None


def test_a_summary_is_in_milliseconds():
    assert summary([0.001, 0.002, 0.003]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0, "n": 3}


def test_growth_compares_the_last_quarter_with_the_second():
    rising = [(float(second), 10.0 + second) for second in range(8)]
    assert flatness(rising) == {"first": 12.5, "last": 16.5, "growth": 1.32}
    assert flatness([(0.0, 5.0)]) == {"first": 5.0, "last": 5.0, "growth": 1.0}
