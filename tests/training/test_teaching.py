"""Stage 1 of a larger generator learns from a smaller one: its errors in closed form, what moves and by how much."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from two_sizes import CONFIG, pair, texts

from ffgan_tf.models import blocks
from ffgan_tf.training.doubling import double
from ffgan_tf.training.teaching import IMAGES, LAST, RATE, errors_of, image_for, rate_at, teach

NGF = CONFIG.ngf


@pytest.fixture(scope="module")
def doubled():
    """Student and teacher."""
    small, large = pair(64, {})
    double(large, small, texts(CONFIG))
    return large, small


def values(model) -> dict[str, np.ndarray]:
    return {variable.name: variable.numpy() for variable in model.variables}


def test_the_errors_are_those_of_f1_and_of_the_image_after_it(doubled):
    student, teacher = doubled
    given = texts(CONFIG)
    wanted = teacher(*given)
    features = wanted.features["F2f"]
    learned, shift = student.stage1, np.float32([0.5, 0, -1, 2])
    try:
        student.stage1 = lambda condition, noise, training: features
        np.testing.assert_allclose(errors_of(student, given, features, wanted.image), [0, 0], atol=1e-4)
        student.stage1 = lambda condition, noise, training: features + shift
        found, image = errors_of(student, given, features, wanted.image).numpy()
        half = student(*given).features["F2f"]
    finally:
        student.stage1 = learned
    assert found == pytest.approx(np.mean(shift**2 / np.var(features, (0, 1, 2))), rel=1e-4)
    drawn = tf.nn.conv2d(
        tf.pad(half, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC"), teacher.to_image.kernel, 1, "VALID"
    )
    assert image > 0.01 and image == pytest.approx(np.abs(np.tanh(drawn) - wanted.image).mean(), rel=1e-4)


@pytest.mark.parametrize("larger", [{}, {"image_size": 64, "generator_stages": 2}])
def test_a_refined_teachers_image_is_the_students_with_the_teachers_features(larger):
    """By its own blocks of --refine at the teacher's S; at twice that S, where they work on other maps, without."""
    small, large = pair(64, larger, refine=1)
    double(large, small, texts(CONFIG))
    if larger:
        large.refine[0].set_weights(small.refine[0].get_weights())  # as `--init_from` takes them
    given = texts(CONFIG)
    made = small(*given)
    features, wanted = made.features["F2f"], image_for(large, small, made)
    large.stage1 = lambda condition, noise, training: features
    np.testing.assert_allclose(errors_of(large, given, features, wanted), [0, 0], atol=1e-4)
    plain = np.tanh(small.to_image(blocks.padded(made.features["F3f"], True)))
    difference = np.abs(made.image - plain).mean()
    assert difference > 0.01 and np.abs(wanted - plain).mean() == pytest.approx(difference if larger else 0, abs=1e-6)


def test_stage_1_alone_learns(doubled, capsys):
    student, teacher = doubled
    given, other = texts(CONFIG), values(teacher)
    before, wanted = values(student), teacher(*given)
    error = errors_of(student, given, wanted.features["F2f"], wanted.image)
    teach(student, teacher, itertools.repeat(given), lambda batch: batch, 60)
    after = errors_of(student, given, wanted.features["F2f"], wanted.image)
    assert np.all(after < 0.9 * error), (error, after)
    stage1 = {variable.name for variable in student.stage1.variables}
    for name, value in values(student).items():
        assert np.array_equal(value, before[name]) == (name not in stage1), name
    for name, value in values(teacher).items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("stage 1 learns: step 50/60  features ") and last.startswith("stage 1 learns: step 60/60")


def test_adams_first_step_is_the_rate_and_goes_down_the_gradient_of_both(doubled):
    """Adam's first step is the rate times the gradient's sign."""
    student, teacher = doubled
    given = texts(CONFIG)
    wanted = teacher(*given)
    moments = [variable for variable in student.stage1.variables if "moving" in variable.name]
    held = [variable.numpy() for variable in moments]
    weights = student.stage1.trainable_variables
    with tf.GradientTape() as tape:
        features, images = tf.unstack(errors_of(student, given, wanted.features["F2f"], wanted.image))
        loss = features + IMAGES * images
    gradients = tape.gradient(loss, weights)
    for variable, value in zip(moments, held):
        variable.assign(value)
    before = [weight.numpy() for weight in weights]
    teach(student, teacher, itertools.repeat(given), lambda batch: batch, 1)
    for weight, old, gradient in zip(weights, before, gradients):
        clear = np.abs(gradient) > 1e-4
        np.testing.assert_allclose((weight - old)[clear], -RATE * np.sign(gradient)[clear], rtol=0.01, atol=1e-6)
    assert any(np.any(np.abs(gradient) > 1e-4) for gradient in gradients)


def test_the_rate_falls_on_a_line():
    assert [rate_at(step, 10) for step in (0, 5, 10)] == pytest.approx([RATE, RATE * (1 + LAST) / 2, RATE * LAST])


def test_in_a_strategys_scope_it_is_the_same():
    given, found = texts(CONFIG), []
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0"])):
        with strategy.scope():
            tf.keras.utils.set_random_seed(1)
            small, large = pair(64, {})
            double(large, small, given)
            batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(tuple(given)).repeat())
            teach(large, small, iter(batches), lambda batch: type(given)(*batch), 3)
            found.append(large(*given).features["F1"].numpy())
    np.testing.assert_allclose(*found, atol=1e-4)
