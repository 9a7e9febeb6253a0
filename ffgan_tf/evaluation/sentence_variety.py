"""Variety within one sentence of a run: which images are made for it, and their score."""

from typing import Any, NamedTuple

import numpy as np

from ffgan_tf.evaluation.features import Network, extract
from ffgan_tf.evaluation.images import GeneratedImages, RecordImages, digest, digest_arrays
from ffgan_tf.metrics.variety import variety


class SentenceVariety(NamedTuple):
    """Images of C sentences, K of each with noise of its own, sentence by sentence."""

    images: GeneratedImages
    copies: int  # K

    def score(
        self, network: Network, real: np.ndarray, classes: np.ndarray, batch: int, cache_dir: Any
    ) -> tuple[dict[str, Any], list]:
        """The scores of `metrics.variety` beside real features [N, D] of `classes` [N], and the cache's files."""
        extracted = extract(self.images, [network], batch, cache_dir, self.images.what)
        features = extracted.arrays[0]["pool"]
        return variety(features.reshape(-1, self.copies, features.shape[1]), real, classes), extracted.files[0]


def variety_images(
    run: Any, records: RecordImages, sentences: int, copies: int, truncation: float, seed: int, batch: int = 32
) -> SentenceVariety:
    """`copies` images of a loaded run for each of up to `sentences` captions: the first ones of as many of the images
    of `records`, spread evenly over them. Noise number i·K + k is that of sentence i's image k."""
    captions = records.first_captions(sentences)

    def generate(indices: np.ndarray) -> np.ndarray:
        return run.sampler([captions[index // copies] for index in indices], seed, indices, truncation)

    source = {
        "weights": digest_arrays([*run.generator.get_weights(), *run.text_encoder.get_weights()]),
        "captions": digest(captions),
        "copies": copies,
        "seed": seed,
        "truncation": truncation,
    }
    what = f"{copies} images a sentence of {run.path} at step {run.step}"
    return SentenceVariety(GeneratedImages(generate, len(captions) * copies, source, what, batch), copies)
