"""A run's vocabulary, and the check that two vocabularies are the same."""

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.utils.errors import UserError

RUN_VOCABULARY = "vocabulary.json"  # in a run's folder


def check_same_vocabulary(one: Vocabulary, one_name: str, other: Vocabulary, other_name: str, fix: str) -> None:
    """Raises UserError, with `fix`, where the two differ; the names say whose they are: `--data=DIR`, `the run in
    DIR`."""
    if one.hash != other.hash:
        raise UserError(
            f"{one_name} has another vocabulary ({len(one):,} words) than {other_name} ({len(other):,} words): token "
            f"ids would stand for other words. Fix: {fix}"
        )
