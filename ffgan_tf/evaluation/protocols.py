"""Evaluation protocols by name. Scores do not compare across protocols, so every report carries all fields of its own.

docs/evaluation.md gives the source of each protocol line by line, and where it differs from its namesake.
"""

import dataclasses

import numpy as np

from ffgan_tf.utils.errors import UserError

NETWORKS = ("fid2015", "keras", "stackgan_birds", "stackgan_flowers")  # of inception.networks, without TensorFlow


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How images are generated and compared. The fields from `reference_split` on apply when a run or --data is
    evaluated; folders of images are taken whole, as they are."""

    name: str
    network: str  # for the features, unless --inception names another; "": must be named
    preprocessing: str  # resize to 299×299 and scaling (evaluation/inception/preprocessing.py); "": the network's own
    reference_split: str  # the real images: "test" or "train"; "": none, only the Inception Score is measured
    reference_crop: str  # "centre": S×S of the middle; "random_flip": training's random crop and flip, seeded
    num_samples: int  # largest number of images to generate; 0: ten for each test image
    captions: str  # "each_once", "cycle" (repeated with new noise), or "random" (ten random ones per image)
    truncation: float  # of the generator's noise, see run/sampler.py; 0: none
    weights: str = "ema"  # the generator's moving average; "raw": the trained weights themselves
    quantise: str = "round"  # [−1, 1] → uint8: to the nearest; no file format and no JPEG in between
    splits: int = 10  # of the Inception Score, after a seeded shuffle


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("ffgan", "fid2015", "", "test", "centre", 30_000, "each_once", 0.0),
        Protocol("ttur", "fid2015", "tf1", "train", "centre", 50_000, "cycle", 0.0),
        Protocol("pytorch_fid", "fid2015", "pytorch_fid", "test", "centre", 30_000, "each_once", 0.0),
        Protocol("clean", "fid2015", "clean", "test", "centre", 50_000, "cycle", 0.0),
        Protocol("dfgan", "fid2015", "pytorch_fid", "test", "random_flip", 0, "random", 0.88),
        Protocol("stackgan_is", "", "", "", "", 30_000, "cycle", 0.0),
    )
}
OLD_NAMES = {"ours": "ffgan"}  # in commands and reports from before it was renamed


def get_protocol(name: str) -> Protocol:
    """The protocol called `name`, or a UserError that lists them."""
    name = OLD_NAMES.get(name, name)
    if name not in PROTOCOLS:
        raise UserError(f"--protocol={name}: there is no such protocol. Fix: one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def caption_plan(captions: np.ndarray, protocol: Protocol, num_samples: int, seed: int) -> np.ndarray:
    """The (image, caption) that each generated image is conditioned on: int [N, 2], a function of the arguments only.

    captions [I]: the number of captions of each test image. `num_samples` > 0 overrides the protocol's count. Fewer
    samples than captions are a seeded choice among all: the first N would leave out the last classes.
    """
    captions = np.asarray(captions)
    every = np.array([(image, caption) for image, count in enumerate(captions) for caption in range(count)], np.int64)
    limit = num_samples or protocol.num_samples or len(every)
    random = np.random.default_rng(seed)
    if protocol.captions == "random":
        images = np.tile(np.arange(len(captions)), 10)
        if num_samples and num_samples < len(images):
            images = images[np.sort(random.choice(len(images), num_samples, replace=False))]
        return np.stack([images, random.integers(captions[images])], axis=1)
    if limit < len(every):
        return every[np.sort(random.choice(len(every), limit, replace=False))]
    if protocol.captions == "cycle":
        return every[np.arange(limit) % len(every)]
    return every


def markdown_table() -> str:
    """The protocols as the table of docs/evaluation.md."""
    names = [field.name for field in dataclasses.fields(Protocol)]
    rows = [[str(getattr(protocol, name)) or "–" for name in names] for protocol in PROTOCOLS.values()]
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])
