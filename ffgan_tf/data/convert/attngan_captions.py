"""AttnGAN's `captions.pickle`: the vocabulary and token ids of its released text encoders."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ffgan_tf.data.captions import CAPTIONS_PER_IMAGE, Vocabulary, tokenize
from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.data.problems import Unusable
from ffgan_tf.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class PickledCaptions:
    """The vocabulary, and for `train` and `test` a flat list of the captions' token ids, ten captions an image."""

    path: Path
    vocabulary: Vocabulary
    splits: dict[str, list[list[int]]]

    def per_image(self, split: str, images: int) -> list[tuple[tuple[int, ...], ...]]:
        """The split's token ids by image, in the order of filenames.pickle. Raises UserError unless ten an image."""
        flat = self.splits[split]
        if len(flat) != CAPTIONS_PER_IMAGE * images:
            raise UserError(
                f"{self.path}: {len(flat):,} {split} captions for {images:,} images in {split}/"
                f"filenames.pickle, not {CAPTIONS_PER_IMAGE} each; the list is flat, so that all after a "
                "short image would shift. Fix: take both pickles from one publication."
            )
        return [
            tuple(tuple(ids) for ids in flat[begin : begin + CAPTIONS_PER_IMAGE])
            for begin in range(0, len(flat), CAPTIONS_PER_IMAGE)
        ]


def read_pickled_captions(path: str | Path) -> PickledCaptions:
    """Reads `[train_captions, test_captions, ixtoword, wordtoix]`. Raises UserError for any other file."""
    path = Path(path)
    value, _ = load_pickle(path)
    try:
        train, test, words, ids = value
        vocabulary = Vocabulary([words[index] for index in range(len(words))], f"imported from {path.name}")
        if {word: index for index, word in enumerate(vocabulary.words)} != dict(ids):
            raise ValueError("ixtoword and wordtoix contradict each other")
        splits = {
            "train": [[int(i) for i in caption] for caption in train],
            "test": [[int(i) for i in caption] for caption in test],
        }
        if not all(0 < i < len(vocabulary) for flat in splits.values() for caption in flat for i in caption):
            raise ValueError("a token id outside its vocabulary")
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: not AttnGAN's [train_captions, test_captions, ixtoword, wordtoix] "
            f"({type(error).__name__}: {error}). Fix: get the captions.pickle that came with the text "
            "encoder."
        ) from None
    return PickledCaptions(path, vocabulary, splits)


def check_agreement(token_ids: Sequence[Sequence[int]], texts: Sequence[str], vocabulary: Vocabulary) -> None:
    """Raises Unusable unless at least one of an image's pickled captions is word for word in its text file.

    One caption too many or too few in the pickle shifts the captions of all images after it, which nothing later
    would notice. Single captions may differ: AttnGAN tokenised some in its own way.
    """
    fix = "take captions.pickle, filenames.pickle and the text files from one publication"
    if not all(token_ids):
        raise Unusable("an empty caption in captions.pickle", fix)
    if not any([vocabulary.words[i] for i in ids] == tokenize(text) for ids, text in zip(token_ids, texts)):
        raise Unusable(
            f"none of its captions in captions.pickle is in its text file; the first there is "
            f"{vocabulary.decode(token_ids[0])!r}, here {texts[0]!r}",
            fix,
        )
