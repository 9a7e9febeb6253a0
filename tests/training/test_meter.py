"""Metrics and speed of the steps alone, by a clock that the test moves."""

import numpy as np
import pytest

from ffgan_tf.training.meter import Meter, Reading, status_line
from ffgan_tf.utils.errors import UserError


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Device:
    """Metrics of a call that takes so long, paid when they are asked for."""

    def __init__(self, clock: Clock, seconds: float, rows: list):
        self._clock, self._seconds, self._rows = clock, seconds, rows

    def __array__(self, dtype=None, copy=None):
        self._clock.now += self._seconds
        self._seconds = 0.0
        return np.array(self._rows, dtype or np.float32)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_neither_the_first_call_nor_what_lies_between_counts(clock):
    meter = Meter(["loss"], total=100, clock=clock)
    meter.add(Device(clock, 50.0, [[1.0]]))  # compiles
    for value in (2.0, 3.0):
        meter.add(Device(clock, 2.0, [[value]]))
    first = meter.read(3)
    assert first == Reading({"loss": 2.0}, pytest.approx(0.5), pytest.approx(2.0 * 97))
    clock.now += 500  # an evaluation
    meter.resume()
    meter.add(Device(clock, 5.0, [[4.0], [6.0]]))  # two steps in a call
    second = meter.read(5)
    assert second.means == {"loss": 5.0} and second.steps_per_second == pytest.approx(2 / 5)
    assert second.seconds_left == pytest.approx((2 + 2 + 5) / 4 * 95)  # by all steps so far


def test_after_the_first_step_alone_the_time_left_is_unknown(clock):
    meter = Meter(["loss"], total=10, clock=clock)
    meter.add(Device(clock, 8.0, [[1.0]]))
    reading = meter.read(1)
    assert reading.steps_per_second == pytest.approx(1 / 8) and np.isnan(reading.seconds_left)
    assert status_line(1, 10, 0.5, "loss 1", "8 s", reading) == "step 1/10  epoch 0.5  loss 1  8 s  ETA ?"
    meter.resume()
    meter.add(Device(clock, 1.0, [[1.0]]))
    assert meter.read(2).seconds_left == pytest.approx(8.0)


def test_divergence_is_looked_for_in_every_step_and_its_number_is_right(clock):
    seen = []

    def check(values, first_step):
        seen.append((first_step, values.tolist()))
        if not np.isfinite(values).all():
            raise UserError("diverged")

    meter = Meter(["loss"], total=10, check=check, clock=clock)
    meter.add(np.float32([[1], [2]]))
    meter.read(2)
    meter.resume()
    for value in (3, np.nan, 5):
        meter.add(np.float32([[value]]))
    with pytest.raises(UserError, match="diverged"):
        meter.read(5)
    assert seen[0] == (1, [[1], [2]]) and seen[1][0] == 3 and len(seen[1][1]) == 3


def test_the_status_line():
    line = status_line(1200, 6000, 12.34, "D 1.0", "3.2 images/s", Reading({}, 0.8, 3700.0))
    assert line == "step 1,200/6,000  epoch 12.3  D 1.0  3.2 images/s  ETA 1:01:40"
