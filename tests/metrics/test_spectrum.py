"""The spectrum against closed forms: a cosine, white noise, a checkerboard laid over noise."""

import numpy as np
import pytest

from ffgan_tf.metrics.spectrum import power_spectrum, spectrum_ratio

SIZE = 64


def grey(plane):
    """(S, S) or (N, S, S) → images of three equal channels."""
    return np.repeat(np.atleast_3d(plane).reshape(-1, SIZE, SIZE)[..., None], 3, axis=-1)


@pytest.mark.parametrize("cycles", [2, 10, 16, 30])
def test_cosine_along_rows_has_its_power_at_its_frequency(cycles):
    wave = 5.0 * np.cos(2 * np.pi * cycles * np.arange(SIZE) / SIZE + 0.7)
    rows, columns = power_spectrum(grey(100 + np.tile(wave, (SIZE, 1))))
    assert rows[cycles - 1] == pytest.approx(5.0**2 * SIZE / 6)
    # A Hann window leaks a quarter of the power into either neighbour and nothing further.
    assert rows[cycles - 2] == pytest.approx(5.0**2 * SIZE / 24)
    assert rows.sum() == pytest.approx(5.0**2 * SIZE / 4)
    assert columns == pytest.approx(0, abs=1e-20)


def test_white_noise_is_flat():
    noise = np.random.default_rng(0).normal(0, 3.0, (400, SIZE, SIZE))
    power = power_spectrum(grey(noise))
    assert power[:, 2:] == pytest.approx(9.0, rel=0.03)  # removing the mean lowers the first


def test_directions_are_told_apart_and_bands_hold_their_periods():
    rng = np.random.default_rng(1)
    real = rng.normal(128, 2.0, (200, SIZE, SIZE))
    stripes = 4.0 * np.cos(np.pi * np.arange(SIZE))  # period 2: all its power at Nyquist, S·A²·(Σw)²/Σw²/S = 2/3·S·A²
    actual = spectrum_ratio(grey(real + stripes[None, :, None]), grey(real))
    assert actual.columns[-1] == pytest.approx(1 + 16 * SIZE * 2 / 3 / 4, rel=0.05)
    assert actual.rows == pytest.approx(1, abs=1e-6)  # constant along a row
    assert actual.worst == actual.columns[-1] and actual.worst_period == 2
    assert actual.bands["nyquist"] > 20
    assert actual.bands["middle"] == pytest.approx(1, abs=0.01)


def test_period_four_is_in_the_middle_band_alone():
    rng = np.random.default_rng(2)
    real = rng.normal(128, 2.0, (200, SIZE, SIZE))
    blocks = 4.0 * np.cos(2 * np.pi * np.arange(SIZE) / 4)
    actual = spectrum_ratio(grey(real + blocks), grey(real))
    assert actual.worst_period == 4 and actual.bands["middle"] > 5
    assert actual.bands["nyquist"] == pytest.approx(1, abs=0.01)
    assert actual.bands["coarse"] == pytest.approx(1, abs=0.01)


def test_images_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="S even"):
        power_spectrum(np.zeros((2, 5, 5, 3)))
    with pytest.raises(ValueError, match="differ in size"):
        spectrum_ratio(np.ones((1, 8, 8, 3)), np.ones((1, 16, 16, 3)))


def test_a_gradient_of_brightness_is_no_grid():
    """A ramp's ends do not meet: without the window's zero there, the jump would have power at every period."""
    rows, _ = power_spectrum(grey(np.tile(np.arange(SIZE, dtype=float), (SIZE, 1))))
    assert rows[7:].sum() < 1e-3 * rows.sum()
