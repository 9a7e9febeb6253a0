"""Colour agreement on a data set: fits the probe on its real images, then applies it to generated ones."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ffgan_tf.data import pipeline, records
from ffgan_tf.evaluation import colour_probe as colour
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.progress import Progress

# (captions, their token ids, numbers of the noise vectors, seed) → uint8 images [N,S,S,3]
Generate = Callable[[Sequence[str], Sequence[Sequence[int]], Sequence[int], int], np.ndarray]


class ColourResult(NamedTuple):
    """`report` is one JSON line; the lists have one entry for each image [N,S,S,3] uint8."""

    report: dict
    images: np.ndarray
    captions: list[str]
    expected: list[str]
    predicted: list[str]


def evaluate_colours(
    generate: Generate,
    data_dir: str,
    labels_csv: str,
    image_size: int,
    num_samples: int = 0,
    seed: int = 1,
    probe_path: str | Path | None = None,
) -> ColourResult:
    """How often a generated image shows the colour of its test caption.

    The probe learns from the centre crops of the train split (stored at `probe_path`, reused for the same data, labels
    and size). Its accuracy on those of the test split is `real`, an upper bound for a generator. Sample i takes test
    image i, cyclically, and one of its captions, drawn from `seed`; the expected colour is the label of that image.
    `num_samples` 0: one for each test image.
    Raises UserError where a label is missing, or the records are too small for `image_size`.
    """
    max_size = records.read_manifest(data_dir)["image"]["max_size"]
    pipeline.size_ratio(max_size, image_size, data_dir)
    labels = colour.read_colour_labels(labels_csv)
    test = pipeline.load_split(data_dir, "test")
    test_labels = colour.labels_of(test.names, labels, f"--labels={labels_csv}")

    sources = {"labels_sha256": sha256_file(labels_csv), "data_sha256": sha256_file(Path(data_dir) / records.MANIFEST)}
    key = hashlib.sha256(repr((*sources.values(), image_size)).encode()).hexdigest()

    def crops(split: pipeline.Split) -> np.ndarray:
        return pipeline.centre_crops(split, max_size=max_size, image_size=image_size)

    probe = _stored(probe_path, key)
    if probe is None:
        train = pipeline.load_split(data_dir, "train")
        train_labels = colour.labels_of(train.names, labels, f"--labels={labels_csv}")
        print(f"fitting the colour probe on {len(train_labels):,} images …", flush=True)
        probe = colour.ColourProbe.fit(crops(train), train_labels, key=key)
        if probe_path:
            probe.save(probe_path)
    real = colour.agreement(probe.predict(crops(test)), test_labels, probe.colours)

    count = num_samples or len(test_labels)
    rows = np.arange(count) % len(test_labels)
    which = np.random.default_rng(seed).integers(test.caption_counts[rows])
    captions = [test.texts[i][j] for i, j in zip(rows, which)]
    tokens = [test.tokens[i, j, : test.lengths[i, j]].tolist() for i, j in zip(rows, which)]
    progress, images = Progress("generating", count, "images"), []
    for start in range(0, count, 128):
        end = min(start + 128, count)
        images.append(generate(captions[start:end], tokens[start:end], range(start, end), seed))
        progress.update(end)
    progress.close()
    images = np.concatenate(images)
    expected, predicted = [test_labels[i] for i in rows], probe.predict(images)
    result = colour.agreement(predicted, expected, probe.colours)
    report = {
        "measure": "colour_agreement",
        "colour_agreement": result["accuracy"],
        "real": real["accuracy"],
        "chance": result["chance"],
        "chance_matched": result["chance_matched"],
        "count": count,
        "seed": seed,
        "image_size": image_size,
        "protocol": {"captions": "test, one at random", "probe": colour.FEATURES, "crop": "centre"},
        **sources,
        "generated_detail": result,
        "real_detail": real,
    }
    return ColourResult(report, images, captions, expected, predicted)


def _stored(path: str | Path | None, key: str) -> colour.ColourProbe | None:
    """The probe at `path` if it was fitted on the same data; None otherwise."""
    if not path or not Path(path).is_file():
        return None
    try:
        probe = colour.ColourProbe.load(path)
    except UserError:  # of an older version, or damaged: it will be fitted again
        return None
    return probe if probe.key == key else None
