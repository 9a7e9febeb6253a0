"""Does an image find a caption of its own colour among a hundred? For data whose captions match in colour alone."""

from collections.abc import Sequence

import numpy as np

from ffgan_tf.metrics.seeds import SEED


def colour_retrieval(
    image_codes: np.ndarray, sentence_codes: np.ndarray, colours: Sequence[str], candidates: int = 100, seed: int = SEED
) -> tuple[float, float]:
    """Share of images for which the best of `candidates` captions has the image's colour, and the share expected
    of a blind choice.

    image_codes, sentence_codes [N, D], colours [N]: images, one caption of each, and the colour of both. The
    candidates are the image's own caption and others drawn without replacement, all N where there are fewer.
    """
    colours = np.asarray(colours)
    images, sentences = (
        codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-8)
        for codes in (np.asarray(image_codes, np.float64), np.asarray(sentence_codes, np.float64))
    )
    count, random = len(images), np.random.default_rng(seed)
    if not count == len(sentences) == len(colours):
        raise ValueError("codes and colours differ in length")
    hits, blind = np.empty(count), np.empty(count)
    for index in range(count):
        others = random.choice(count - 1, min(candidates, count) - 1, replace=False)
        # Its own caption last: argmax takes the first, so a tie is no hit by itself.
        drawn = np.append(others + (others >= index), index)
        right = colours[drawn] == colours[index]
        hits[index] = right[np.argmax(sentences[drawn] @ images[index])]
        blind[index] = right.mean()
    return float(hits.mean()), float(blind.mean())
