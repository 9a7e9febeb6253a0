"""Seeds: which ones there are, and how a flag names several."""

import numpy as np
import pytest

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.seeds import check_seed, parse_seeds


@pytest.mark.parametrize(
    "text, seeds",
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("5-5", [5]),
        (" 4 - 6 , 1,4", [4, 5, 6, 1, 4]),
        (f"{2**63 - 2}-{2**63 - 1}", [2**63 - 2, 2**63 - 1]),
    ],
)
def test_seeds_and_ranges(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-1", "1--3", "3-1", "1,,2", "1.5", "٣", str(2**63), "0-1000000", "1-600000,1-600000"]
)
def test_anything_else_is_refused_by_the_flags_name(text):
    with pytest.raises(UserError, match="--numbers=|2\\*\\*63"):
        parse_seeds(text, "--numbers")


def test_one_seed():
    for seed in (0, 2**63 - 1, np.int32(7), np.uint64(2**62)):
        assert check_seed(seed) == int(seed) and type(check_seed(seed)) is int
    for seed in (-1, 2**63, np.uint64(2**63)):
        with pytest.raises(UserError, match="0 to 2\\*\\*63"):
            check_seed(seed)
    for seed in (1.0, "1", True, None):
        with pytest.raises(TypeError, match="a seed is an int"):
            check_seed(seed)
