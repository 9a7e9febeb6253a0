"""R-precision of a run: DAMSM's codes of its images and of the test captions (docs/model.md section 7)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.data import pipeline, records
from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.evaluation.protocols import Protocol, caption_plan
from ffgan_tf.metrics.r_precision import GROUPS, WRONG, check_counts, r_precision
from ffgan_tf.run.encoder_files import IMAGE, TEXT, load_image_encoder, load_text_encoder, trained_together
from ffgan_tf.run.vocabulary import check_same_vocabulary
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.pixels import to_unit

CAPTION_BATCH = 256


def encoder_folders(flag_value: str) -> tuple[Path, Path]:
    """`--damsm`: a run of train_damsm, or TEXT_FOLDER,IMAGE_FOLDER → the folders of text and image encoder."""
    text, comma, image = flag_value.partition(",")
    if comma:
        return Path(text), Path(image)
    if not (Path(flag_value) / IMAGE).is_dir():
        raise UserError(
            f"--damsm={flag_value}: there is no {IMAGE} in it. Fix: name a run of ffgan_tf.train_damsm; an "
            f"older one gets it when resumed: python -m ffgan_tf.train_damsm --run={flag_value}"
        )
    return Path(flag_value) / TEXT, Path(flag_value) / IMAGE


class Damsm:
    """A DAMSM pair, which feature extraction treats as one more network; its features are the images' "codes"."""

    def __init__(self, flag_value: str, inception_weights: str = ""):
        """Raises UserError where a folder is missing or damaged, the two are no pair, or the trunk's weights differ."""
        text, image = encoder_folders(flag_value)
        self.flag_value = flag_value
        self._text, self.vocabulary = load_text_encoder(text)
        self._image = load_image_encoder(image, inception_weights)
        if not trained_together(text, image):
            raise UserError(
                f"--damsm={flag_value}: the two encoders were not trained together (or not saved at the same "
                f"step), so their codes do not match. Fix: name the {TEXT} and {IMAGE} of one run."
            )
        about = self._image.about
        self._protocol = {
            "network": "damsm",
            "text_encoder_sha256": about["text_encoder_sha256"],
            "image_encoder_sha256": sha256_file(image / "weights.npz"),
            "trunk": about["trunk"],
            "trunk_size": about["image_size"],
            "inception_sha256": about.get("inception_sha256"),
            "made_by": {key: about["made_by"][key] for key in ("tool", "step", "seed") if key in about["made_by"]},
        }
        self._codes = tf.function(
            lambda images: self._image(to_unit(images))[1], autograph=False, reduce_retracing=True
        )
        self._sentences = tf.function(
            lambda tokens, lengths: self._text(tokens, lengths)[0], autograph=False, reduce_retracing=True
        )

    def protocol(self) -> dict[str, Any]:
        """Both encoders' hashes, the trunk, and the origin of the two."""
        return dict(self._protocol)

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 images [N, S, S, 3] → {"codes": [N, d]}."""
        return {"codes": self._codes(images).numpy()}

    def sentence_codes(self, captions: Sequence[Sequence[int]]) -> np.ndarray:
        """Token ids of N captions, none empty → their codes [N, d]."""
        rows = [list(caption)[:MAX_WORDS] for caption in captions]
        lengths = np.array([len(row) for row in rows], np.int32)
        tokens = np.zeros([len(rows), MAX_WORDS], np.int32)
        for row, ids in zip(tokens, rows):
            row[: len(ids)] = ids
        starts = range(0, len(rows), CAPTION_BATCH)
        return np.concatenate(
            [
                self._sentences(tokens[start : start + CAPTION_BATCH], lengths[start : start + CAPTION_BATCH]).numpy()
                for start in starts
            ]
        )


class Retrieval(NamedTuple):
    """The inputs of R-precision besides the images; image i was generated from caption `made_from[i]`."""

    damsm: Damsm
    captions: list[list[int]]  # token ids of all test captions, the pool of wrong ones
    classes: np.ndarray  # [captions]
    made_from: np.ndarray  # [images]

    def score(self, codes: np.ndarray, seed: int) -> dict[str, Any]:
        """R-precision from the images' `codes` [N, d], as entries of the report. UserError where there are too few."""
        sentences = self.damsm.sentence_codes(self.captions)
        mean, std = r_precision(
            codes, sentences[self.made_from], self.classes[self.made_from], sentences, self.classes, WRONG, GROUPS, seed
        )
        return {
            "r_precision": mean,
            "r_precision_std": std,
            "r_precision_wrong": WRONG,
            "r_precision_groups": GROUPS,
            "r_precision_captions": len(self.captions),
            "damsm": self.damsm.protocol(),
        }


def retrieval_of(damsm: Damsm, data_dir: str, protocol: Protocol, num_samples: int, seed: int) -> Retrieval:
    """For the images of `engine.run_images` with the same arguments.

    Raises UserError where DAMSM's token ids stand for other words than those of the records.
    """
    own = Vocabulary.load(Path(data_dir) / records.VOCABULARY)
    check_same_vocabulary(
        damsm.vocabulary,
        f"--damsm={damsm.flag_value}",
        own,
        f"--data={data_dir}",
        "name the DAMSM that was trained on these records.",
    )
    split = pipeline.load_split(data_dir, "test")
    every = [(image, caption) for image, count in enumerate(split.caption_counts) for caption in range(count)]
    captions = [split.tokens[pair][: split.lengths[pair]].tolist() for pair in every]
    plan = caption_plan(split.caption_counts, protocol, num_samples, seed)
    first = np.cumsum(split.caption_counts) - split.caption_counts  # an image's first caption in `every`
    classes, made_from = np.repeat(split.classes, split.caption_counts), first[plan[:, 0]] + plan[:, 1]
    try:
        check_counts(classes[made_from], classes, WRONG, GROUPS)  # before generating all images, not after
    except UserError as error:
        raise UserError(f"--damsm={damsm.flag_value}, --data={data_dir}: {error} Or leave --damsm out.") from None
    return Retrieval(damsm, captions, classes, made_from)
