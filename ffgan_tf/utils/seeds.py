"""Seeds: which ones there are, and how a command line names several."""

from typing import Any

from ffgan_tf.utils.errors import UserError

LIMIT = 2**63  # the random generator takes a signed 64-bit word
DIGITS = 100  # int() refuses thousands of them in a way of its own
MOST = 1_000_000  # seeds a flag may name: `0-9999999999` is a slip of the hand


def check_seed(seed: Any) -> int:
    """`seed` as an int. Raises UserError unless it is a whole number in [0, 2**63); TypeError for another type."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(f"a seed is an int, not {type(seed).__name__}")
    number = int(seed.__index__())
    if not 0 <= number < LIMIT:
        raise UserError(f"seed {number}: seeds go from 0 to 2**63 - 1. Fix: take one in that range.")
    return number


def parse_seeds(text: str, flag: str = "--seeds") -> list[int]:
    """`0-3,7` → [0, 1, 2, 3, 7]: numbers and ranges, both ends included, in the order given; a seed may come twice.

    Raises UserError, naming `flag`, for anything else, for a range that runs backwards, and beyond 1,000,000 seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        numbers = [first, last] if dash else [first]
        if not all(number.isascii() and number.isdigit() and len(number) <= DIGITS for number in numbers):
            raise UserError(f"{flag}={text}: {part.strip()!r} is neither a seed nor a range. Fix: {flag}=0-29,40")
        low, high = check_seed(int(numbers[0])), check_seed(int(numbers[-1]))
        if high < low:
            raise UserError(f"{flag}={text}: {part.strip()!r} runs backwards. Fix: {flag}={high}-{low}")
        if high - low >= MOST - len(seeds):
            raise UserError(f"{flag}={text}: more than {MOST:,} seeds. Fix: name fewer.")
        seeds += range(low, high + 1)
    return seeds
