"""Token ids mean the same words to both sides, or an error says whose do not."""

import pytest

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run.vocabulary import check_same_vocabulary
from ffgan_tf.utils.errors import UserError


def test_another_vocabulary_is_named_with_both_sizes_and_the_fix():
    one, other = Vocabulary(["<end>", "a", "red", "bird"]), Vocabulary(["<end>", "a", "bird"])
    check_same_vocabulary(one, "--a=x", Vocabulary(["<end>", "a", "red", "bird"]), "--b=y", "take another.")
    with pytest.raises(UserError, match=r"--a=x has another vocabulary \(4 words\) than --b=y \(3 words\).*another"):
        check_same_vocabulary(one, "--a=x", other, "--b=y", "take another.")
