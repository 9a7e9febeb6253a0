"""What is due at which step."""

import math

import pytest

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.training.damsm_setup import damsm_schedule
from ffgan_tf.training.gan_setup import gan_schedule
from ffgan_tf.training.schedule import Due, Stop, total_steps

SIGNAL, TIME, WORKER = Stop("signal", "SIGTERM received"), Stop("time", "over"), Stop("worker", "another")


def gan(**settings):
    defaults = dict(steps=100, log_every=5, sample_every=10, checkpoint_every=20, eval_every=30)
    return gan_schedule(TrainConfig.of(**{**defaults, **settings}), images=24)


def damsm(**settings):
    return damsm_schedule(DamsmConfig.of(**{**dict(steps=100, log_every=5, validate_every=30), **settings}), images=24)


@pytest.mark.parametrize(
    "step, stop, due",
    [
        (1, None, Due(False, False, ())),
        (5, None, Due(True, False, ())),
        (10, None, Due(True, False, ("sample",))),
        (20, None, Due(True, True, ("sample",))),
        (30, None, Due(True, True, ("sample", "evaluate"))),  # what is evaluated is saved: it may be the best
        (100, None, Due(True, True, ("sample", "evaluate"))),
        (7, SIGNAL, Due(True, True, ("sample",))),
        (7, TIME, Due(True, True, ("sample",))),
        (7, WORKER, Due(True, True, ("sample",))),
    ],
)
def test_the_gans(step, stop, due):
    assert gan().at(step, stop) == due


@pytest.mark.parametrize(
    "step, stop, due",
    [
        (1, None, Due(False, False, ())),
        (5, None, Due(True, False, ())),
        (30, None, Due(True, True, ("validate",))),
        (100, None, Due(True, True, ("validate",))),
        (7, SIGNAL, Due(True, True, ())),  # there may be no time for it
        (7, TIME, Due(True, True, ("validate",))),
        (30, SIGNAL, Due(True, True, ("validate",))),
    ],
)
def test_damsms(step, stop, due):
    assert damsm().at(step, stop) == due


def test_no_evaluation_is_due_without_eval_every_not_even_after_the_last_step():
    assert gan(eval_every=0).at(100) == Due(True, True, ("sample",))


def test_the_last_step_is_due_whatever_the_intervals():
    assert gan(steps=99, sample_every=1000, checkpoint_every=1000, log_every=1000, eval_every=1000).at(99) == Due(
        True, True, ("sample", "evaluate")
    )


@pytest.mark.parametrize("per_call", [1, 7, 1000])
def test_no_call_goes_beyond_a_step_at_which_something_is_due(per_call):
    schedule, step, ends = gan(steps_per_call=per_call), 0, []
    while step < 100:
        count = schedule.count(step)
        assert 1 <= count <= per_call
        assert not any(schedule.at(between).report for between in range(step + 1, step + count))
        step += count
        ends.append(step)
    assert step == 100 and {5, 10, 20, 30} <= set(ends)
    if per_call == 1000:
        assert len(ends) == 20  # every multiple of five, and no more


def test_no_call_goes_beyond_the_last_step():
    schedule = gan(steps=99, steps_per_call=1000, sample_every=60, log_every=60, checkpoint_every=60, eval_every=0)
    assert (schedule.count(0), schedule.count(60), schedule.count(98)) == (60, 39, 1)


@pytest.mark.parametrize("epochs, images, batch", [(1, 24, 5), (600, 8855, 20), (3, 10, 30), (1, 20, 20)])
def test_epochs_are_rounded_up_to_whole_steps(epochs, images, batch):
    """So that every image is seen at least so often: the last batch goes over the epoch's end."""
    steps = total_steps(0, epochs, images, batch)
    assert steps == math.ceil(epochs * images / batch)
    assert steps * batch >= epochs * images > (steps - 1) * batch


def test_steps_beat_epochs():
    assert total_steps(7, 600, 8855, 20) == 7
    assert gan(steps=0, epochs=2, batch=5).total == 10  # 48 images
    assert damsm(steps=0, epochs=2, batch=7).total == 7


def test_rates_are_halved_after_so_many_epochs_and_never_within_a_call():
    """24 images in batches of 5, halved every 2 epochs: 48 images are seen after 9.6 steps, 96 after 19.2."""
    schedule = gan(lr_halve_every=2, batch=5, steps_per_call=1000, log_every=100, eval_every=0, checkpoint_every=100)
    shares = [schedule.rates.shares(step) for step in (0, 9, 10, 19, 20, 28, 29)]
    assert [share.g for share in shares] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert [share.d for share in shares] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert schedule._replace(duties=()).count(0) == 10 and schedule._replace(duties=()).count(10) == 10
    assert schedule._replace(duties=()).count(13) == 7 and schedule._replace(duties=()).count(20) == 9
    # Whole epochs: the first step of the third is the first at the second rate, as in StackGAN's code.
    even = gan(lr_halve_every=2, batch=8).rates
    assert [even.shares(step).d for step in (5, 6, 11, 12)] == [1, 0.5, 0.5, 0.25] and even.steps_left(0) == 6
    assert gan(batch=5).rates.shares(10**6) == (1, 1) and gan(batch=5).rates.steps_left(7) is None


def test_d_learns_alone_first_and_no_call_crosses_its_end():
    """7 steps in which G's rate is 0; 24 images in batches of 5, halved every epoch: from the fifth step on 1/2."""
    rates = gan(d_first=7, lr_halve_every=1, batch=5).rates
    assert [rates.shares(step).g for step in (0, 4, 5, 6, 7, 9, 10)] == [0, 0, 0, 0, 0.5, 0.5, 0.25]
    assert [rates.shares(step).d for step in (0, 4, 5, 6, 7, 9, 10)] == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]
    assert [rates.steps_left(step) for step in (0, 4, 5, 6, 7)] == [5, 1, 2, 1, 3]
    alone = gan(d_first=7, batch=5).rates
    assert [alone.steps_left(step) for step in (0, 6, 7)] == [7, 1, None]
