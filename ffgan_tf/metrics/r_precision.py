"""R-precision (AttnGAN, Xu et al. 2018): does a generated image find its own caption among 99 wrong ones?"""

import numpy as np

from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.metrics.statistics import check_features
from ffgan_tf.utils.errors import UserError

WRONG, GROUPS = 99, 10  # AttnGAN's


def r_precision(
    image_codes: np.ndarray,
    sentence_codes: np.ndarray,
    classes: np.ndarray,
    caption_codes: np.ndarray,
    caption_classes: np.ndarray,
    wrong: int = WRONG,
    groups: int = GROUPS,
    seed: int = SEED,
) -> tuple[float, float]:
    """Mean and standard deviation, over `groups` drawn at random, of the share of images whose own caption has the
    highest cosine.

    image_codes, sentence_codes [N, D]: DAMSM's codes of the images and of the captions they were generated from;
    classes [N]: the captions' classes. caption_codes [M, D], caption_classes [M]: the pool that the `wrong`
    captions of other classes are drawn from, without replacement. A tie is a miss, so that constant codes score 0 and
    not 1.
    """
    image_codes = _unit(check_features(image_codes, "R-precision, image codes"))
    sentence_codes = _unit(check_features(sentence_codes, "R-precision, sentence codes"))
    caption_codes = _unit(check_features(caption_codes, "R-precision, caption codes"))
    classes, caption_classes = np.asarray(classes), np.asarray(caption_classes)
    if not len(image_codes) == len(sentence_codes) == len(classes) or len(caption_codes) != len(caption_classes):
        raise ValueError("codes and classes differ in length")
    check_counts(classes, caption_classes, wrong, groups)
    others = {label: np.flatnonzero(caption_classes != label) for label in np.unique(classes)}
    random = np.random.default_rng(seed)
    hits = np.empty(len(image_codes))
    for index, label in enumerate(classes):
        drawn = random.choice(others[label], wrong, replace=False)
        candidates = np.concatenate([sentence_codes[index : index + 1], caption_codes[drawn]])
        scores = (candidates * image_codes[index]).sum(axis=1)  # one sum for all: equal captions must tie exactly
        hits[index] = scores[0] > scores[1:].max()
    # Shuffled: images come in the order of their classes, and the groups' spread must not be that of the classes.
    shares = [group.mean() for group in np.array_split(random.permutation(hits), groups)]
    return float(np.mean(shares)), float(np.std(shares))


def check_counts(classes: np.ndarray, caption_classes: np.ndarray, wrong: int, groups: int) -> None:
    """Raises UserError where images of the classes [N] are fewer than `groups`, or one has fewer than `wrong` captions
    of other classes among those of `caption_classes` [M]."""
    if len(classes) < groups:
        raise UserError(
            f"R-precision in {groups} groups needs at least {groups} images; there are {len(classes)}. Fix: use more."
        )
    for label in np.unique(classes):
        others = int((np.asarray(caption_classes) != label).sum())
        if others < wrong:
            raise UserError(
                f"R-precision: class {label} has only {others} captions of other classes, {wrong} are needed. Fix: a "
                "test split of more classes or captions."
            )


def _unit(codes: np.ndarray) -> np.ndarray:
    codes = codes.astype(np.float64)
    return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-8)
