"""Thinning keeps spikes; curves stand where the axes say; scores of different protocols stay apart."""

import numpy as np
import pytest
from made_runs import log_line, report_line

from ffgan_tf.reporting import charts, curves
from ffgan_tf.reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH


def brute_force(steps, values, low, high, columns):
    """For each pixel column the least and the greatest value, one point after the other."""
    ends = {}
    for step, value in zip(steps.tolist(), values.tolist()):
        column = min(int((step - low) / (high - low) * columns), columns - 1)
        least, greatest = ends.get(column, (value, value))
        ends[column] = (min(least, value), max(greatest, value))
    return ends


@pytest.mark.parametrize("count, columns", [(401, 199), (5000, 199), (1000, 7), (30, 3)])
def test_thinning_keeps_each_columns_extremes(count, columns):
    random = np.random.default_rng(count)
    steps = np.sort(random.choice(10 * count, count, replace=False))
    values = random.normal(size=count).round(1)  # with equal values
    values[count // 3] = 1e6  # a spike of one step
    low, high = float(steps[0]), float(steps[-1])
    kept = curves.thin(steps, values, low, high, columns)
    assert len(kept) <= 2 * columns + 2 and np.all(np.diff(kept) > 0)
    assert kept[0] == 0 and kept[-1] == count - 1 and count // 3 in kept
    expected = brute_force(steps, values, low, high, columns)
    assert brute_force(steps[kept], values[kept], low, high, columns) == expected


def test_short_curves_stay_whole():
    steps = np.arange(400)
    assert curves.thin(steps, np.sin(steps), 0, 399).tolist() == steps.tolist()
    assert len(curves.thin(np.arange(401), np.zeros(401), 0, 400)) < 401


def test_what_is_not_finite_is_left_out_and_counted():
    one = curves.series("x", [(3, float("nan")), (1, 1.0), (2, float("inf")), (4, 2), (5, None), (6, "7"), (7, True)])
    assert one.steps.tolist() == [1, 4] and one.values.tolist() == [1.0, 2.0] and one.left_out == 5


def test_points_stand_where_the_axes_say():
    """By np.interp between the corners of the drawing area, which charts.py does not use."""
    steps, values = np.array([10, 20, 40, 110]), np.array([3.0, -1.0, 0.5, 7.0])
    chart = charts.chart("x", "X", "", [curves.Series("a", steps, values)])
    x = np.interp(steps, [10, 110], [LEFT, WIDTH - RIGHT])
    y = np.interp(values, [-1, 7], [HEIGHT - BOTTOM, TOP])
    points = np.array([point.split(",") for point in chart.curves[0].points.split()], float)
    np.testing.assert_allclose(points, np.stack([x, y], 1), atol=0.051)  # a tenth of a pixel
    ticks = {tick.text: tick.place for tick in chart.y_ticks}
    for text, place in ticks.items():
        assert place == pytest.approx(np.interp(float(text), [-1, 7], [HEIGHT - BOTTOM, TOP]), abs=0.051)
    assert chart.curves[0].last == ("7", "110") and chart.curves[0].least == ("-1", "20")


def test_a_steep_chart_has_a_logarithmic_axis():
    values = np.array([1.0, 1, 1, 1000])
    chart = charts.chart("x", "X", "", [curves.Series("a", np.arange(4), values)])
    assert chart.logarithmic and "logarithmic" in chart.note
    y = np.interp(np.log10(values), [0, 3], [HEIGHT - BOTTOM, TOP])
    np.testing.assert_allclose([place[1] for place in chart.curves[0].places], y, atol=0.051)
    assert [tick.text for tick in chart.y_ticks] == ["1", "10", "100", "1,000"]
    below = charts.chart("x", "X", "", [curves.Series("a", np.arange(4), values - 1)])
    assert not below.logarithmic  # zeros have no logarithm


@pytest.mark.parametrize("values", [[5.0], [2.0, 2.0], [0.0, 0.0]])
def test_a_curve_without_extent_is_drawn(values):
    chart = charts.chart("x", "X", "", [curves.Series("a", np.full(len(values), 7), np.array(values))])
    assert all(LEFT <= x <= WIDTH and TOP <= y <= HEIGHT - BOTTOM for x, y in chart.curves[0].places)
    assert charts.chart("x", "X", "", [curves.Series("a", np.array([]), np.array([]))]) is None


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.2, 17.0), (1e-6, 3e-6), (99_990.0, 100_010.0)])
def test_ticks_are_round_and_inside(low, high):
    ticks = charts.nice_ticks(low, high, 5)
    assert 3 <= len(ticks) <= 12 and low - 1e-9 <= ticks[0] and ticks[-1] <= high + 1e-9
    apart = np.diff(ticks)
    np.testing.assert_allclose(apart, apart[0], rtol=1e-6)
    leading = apart[0] / 10 ** np.floor(np.log10(apart[0]) + 1e-9)
    assert min(abs(leading - round_one) for round_one in (1, 2, 5)) < 1e-6


def test_numbers_for_readers():
    shown = [charts.number(value) for value in (0, 0.5, 12.3456, 1234.56, 1_234_567, -0.012345, 3e-7, 2.5e9)]
    assert shown == ["0", "0.5", "12.35", "1,235", "1,234,567", "-0.01235", "3e-07", "2.5e+09"]


def test_one_run_has_grouped_charts_and_several_have_a_curve_each(record):
    one, other = record("one"), record("other")
    [losses, outputs, *more] = charts.log_charts([one])
    assert [curve.label for curve in losses.curves] == ["discriminator's loss", "generator's loss"]
    assert [curve.label for curve in outputs.curves] == ["real", "generated"]
    keys = {chart.key for chart in more}
    assert "grad_norm" in keys and not keys & {"loss_scale", "epoch", "step"}  # a scale that is always 1 is not in use
    both = charts.log_charts([one, other])
    assert all([curve.label for curve in chart.curves] == ["one", "other"] for chart in both)
    assert both[0].key == "loss_d/total" and both[0].first and "loss_g/kl" not in {chart.key for chart in both}


def test_scores_of_different_protocols_are_different_curves(record):
    reports = [report_line(100, 50.0), report_line(200, 40.0), report_line(200, 39.0), report_line(300, 90.0, count=20)]
    reports.append(report_line(300, 35.0, protocol={"name": "ours"}))  # as it was called before
    found = curves.scored(record(reports=reports), "fid")
    assert {protocol: one.values.tolist() for protocol, one in found.items()} == {
        "ffgan, 500 images, keras": [50.0, 39.0, 35.0],
        "ffgan, 20 images, keras": [90.0],
    }


def test_a_long_log_stays_small(record):
    lines = [log_line(step, value=1 + step % 13) for step in range(0, 20_000, 4)]
    for chart in charts.log_charts([record(log=lines, steps=())]):
        assert all(len(curve.places) <= curves.MOST for curve in chart.curves)
