"""Captions of the data, swapped words, the stops of a way."""

import pytest

from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals import sentences


@pytest.mark.parametrize("text, found", [("test:16", ("test", 16)), ("train:1", ("train", 1))])
def test_captions_of_a_split(text, found):
    assert sentences.parse_captions(text) == found


@pytest.mark.parametrize(
    "text", ["16", "test", "test:", "test:0", "valid:3", "test:-1", "test:1-3", " test:1", "test:٣"]
)
def test_what_is_no_split(text):
    with pytest.raises(UserError, match="--captions=.*Fix: --captions=test:16"):
        sentences.parse_captions(text)


def test_captions_are_spread_over_the_split():
    names, texts = [f"c/{i}" for i in range(9)], [[f"first of {i}", "second"] for i in range(9)]
    actual = sentences.choose_captions(names, texts, 3)
    assert actual == [sentences.Caption(f"first of {i}", f"c/{i}", i) for i in (0, 4, 8)]
    assert len(sentences.choose_captions(names, texts, 100)) == 9


def test_swaps():
    assert sentences.parse_swap("red=blue, dark green") == ("red", ["blue", "dark green"])
    assert sentences.swapped("A Red bird, redder, red-winged", "red", "blue") == "A blue bird, redder, blue-winged"
    assert sentences.swapped("a long tail", "long tail", r"\1 beak") == r"a \1 beak"


@pytest.mark.parametrize("text", ["red", "=blue", "red=", "red=blue,,green", "…=red"])
def test_what_is_no_swap(text):
    with pytest.raises(UserError, match="--swap=.*Fix: --swap=red=blue,yellow"):
        sentences.parse_swap(text)


def test_a_word_that_is_not_there():
    with pytest.raises(UserError, match="--swap=red=….*'a redder bird' has no 'red'"):
        sentences.swapped("a redder bird", "red", "blue")


def test_stops():
    stop = sentences.Stop
    assert sentences.stops_of(["a", "b"], [1]) == [stop("a", 1), stop("b", 1)]
    assert sentences.stops_of(["a"], [1, 2, 3]) == [stop("a", 1), stop("a", 2), stop("a", 3)]
    assert sentences.stops_of(["a", "b"], [1, 2]) == [stop("a", 1), stop("b", 2)]
    for texts, seeds in ((["a"], [1]), (["a", "b"], [1, 2, 3]), (["a", "b", "c"], [1, 2])):
        with pytest.raises(UserError, match="do not pair"):
            sentences.stops_of(texts, seeds)
