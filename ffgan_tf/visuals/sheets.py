"""Sheets of one run: attention, features, edits, interpolation, variety.

Each function takes a model (`ffgan_tf.load`) and returns a sheet (H, W, 3) uint8; `docs/looking.md` shows them. A
seed's noise is that of the first image that `sample` makes with it. All raise the errors of `TextToImage.generate`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ffgan_tf.run.text_to_image import Explanation, TextToImage
from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals.between import Between
from ffgan_tf.visuals.canvas import stacked, table, tile_side
from ffgan_tf.visuals.maps import coloured, energy, liveliest, overlay
from ffgan_tf.visuals.sentences import Stop, check_swap, stops_of, swapped

WORDS_A_LINE = 8
STAGES = {"F1": "F1", "F2f": "F2f = F2 + F1'", "F3f": "F3f = F3 + F2' + F1''"}  # Eq. 6, 7, 9


def attention_sheet(model: TextToImage, sentence: str, seed: int = 1, truncation: float = 0.0) -> np.ndarray:
    """The attention of A_1 and A_2 to each word as light on the image: two rows, a column a word, eight words a line.

    UserError where the run's networks have no word attention.
    """
    return draw_attention(model.explain(sentence, seed, truncation=truncation), sentence, seed)


def draw_attention(explanation: Explanation, sentence: str, seed: int | None = None, side: int = 0) -> np.ndarray:
    """The sheet of `attention_sheet` from an `Explanation`; `side`: the tiles' height in pixels (0: by the image)."""
    if not explanation.attention:
        raise UserError("this run's networks have no word attention. Fix: another kind of sheet.")
    size = explanation.image.shape[0]
    sheets = []
    for start in range(0, len(explanation.reading.words), WORDS_A_LINE):
        columns = range(start, min(start + WORDS_A_LINE, len(explanation.reading.words)))
        tiles, labels, names = [], [], []
        for level, maps in enumerate(explanation.attention):
            tiles.append(
                [explanation.image if level == 0 else None]
                + [overlay(explanation.image, maps[..., t]) for t in columns]
            )
            labels.append([""] + [_shares(maps[..., t]) for t in columns])
            names.append(f"A{level + 1}, {maps.shape[0]} x {maps.shape[1]}")
        sheets.append(
            table(
                tiles,
                side=side or tile_side(size, 96),
                heading=sentence if start == 0 else "",
                note=(
                    f"{_seed(seed)}Brightness: attention to the word, relative to its own peak. "
                    "Below: the mean attention over all pixels, and the peak."
                    if start == 0
                    else ""
                ),
                rows=names,
                columns=["image"] + [explanation.reading.words[t] for t in columns],
                labels=labels,
            )
        )
    return stacked(sheets)


def _shares(attention: np.ndarray) -> str:
    return f"{100 * attention.mean():.0f} %, peak {100 * attention.max():.0f} %"


def _seed(seed: int | None) -> str:
    return "" if seed is None else f"Seed {seed}. "


def features_sheet(
    model: TextToImage, sentence: str, seed: int = 1, truncation: float = 0.0, channels: int = 6
) -> np.ndarray:
    """The paper's Fig. 5: F1, F_2f, F_3f beside the image, each as its energy and the `channels` that vary most; of
    another family its own maps, small to large."""
    return draw_features(model.explain(sentence, seed, truncation=truncation), sentence, seed, channels)


def draw_features(
    explanation: Explanation, sentence: str, seed: int | None = None, channels: int = 6, side: int = 0
) -> np.ndarray:
    """The sheet of `features_sheet` from an `Explanation`; `side`: the tiles' height in pixels (0: by the image)."""
    size = explanation.image.shape[0]
    tiles, labels, names = [], [], []
    for number, (name, maps) in enumerate(explanation.features.items()):
        chosen = liveliest(maps, channels)
        heat = energy(maps)
        tiles.append(
            [explanation.image if number == 0 else None, coloured(heat, 0.0)] + [coloured(maps[..., c]) for c in chosen]
        )
        labels.append(
            ["", f"0 to {heat.max():.3g}"]
            + [f"channel {c}: {maps[..., c].min():.2g} to {maps[..., c].max():.2g}" for c in chosen]
        )
        names.append(f"{STAGES.get(name, name)} {maps.shape[0]} x {maps.shape[1]}")
    return table(
        tiles,
        side=side or tile_side(size, 128),
        heading=sentence,
        note=f"{_seed(seed)}Energy: mean over channels of the squares. Channels: those that vary most over the map. "
        "Dark blue is the least, yellow the greatest value of each map.",
        rows=names,
        columns=["image", "energy"] + [f"{n}." for n in range(1, len(tiles[0]) - 1)],
        labels=labels,
    )


def edits_sheet(
    model: TextToImage,
    sentence: str,
    swaps: Sequence[tuple[str, Sequence[str]]],
    seeds: Sequence[int] = (1,),
    truncation: float = 0.0,
) -> np.ndarray:
    """A row a seed: the sentence, then the sentence with one word replaced, all with the same noise.

    `swaps`: (word, replacements) pairs. Raises UserError if a word is not in the sentence, or a replacement not in
    the run's vocabulary.
    """
    changes = [(word, other) for word, others in swaps for other in others]
    for word, others in swaps:
        check_swap(model.vocabulary, word, others)
    sentences = [sentence] + [swapped(sentence, word, other) for word, other in changes]
    images = model.generate(sentences, seeds=seeds, truncation=truncation)
    return table(
        images.reshape(len(sentences), len(seeds), *images.shape[1:]).swapaxes(0, 1),
        side=tile_side(images.shape[1]),
        heading=sentence,
        note="The same noise along a row.",
        rows=[f"seed {seed}" for seed in seeds],
        columns=["as it stands"] + [f"{word} » {other}" for word, other in changes],
    )


class Interpolation(NamedTuple):
    """An interpolation: the sheet with `frames` images between two stops, and all frames of its animation."""

    sheet: np.ndarray  # (H, W, 3) uint8
    frames: np.ndarray  # (F, S, S, 3) uint8, from the first stop to the last
    milliseconds: list[int]  # F, how long each stays


def interpolation(
    model: TextToImage,
    sentences: Sequence[str],
    seeds: Sequence[int],
    frames: int = 8,
    truncation: float = 0.0,
    smooth: int = 3,
) -> Interpolation:
    """Interpolates sentences, noise vectors, or both at once (`between.Between` has the formula).

    The sheet has `frames` images from stop to stop, both included; the animation has `smooth` times as many steps. The
    images of the stops are those of `sample`, byte for byte.
    """
    if frames < 2:
        raise UserError(f"--frames={frames}: two are the least, one for each end. Fix: --frames=8")
    stops = stops_of(sentences, seeds)
    ends = [model.generate(stop.sentence, seeds=[stop.seed], truncation=truncation) for stop in stops]
    between, steps = Between(model), (frames - 1) * smooth
    shares = np.arange(1, steps) / steps
    legs = [
        np.concatenate([ends[i], between(stops[i], stops[i + 1], shares, truncation), ends[i + 1]])
        for i in range(len(stops) - 1)
    ]
    still = np.arange(frames) * smooth
    sheet = table(
        [leg[still] for leg in legs],
        side=tile_side(model.image_size),
        heading=" » ".join(stop.sentence for stop in stops) if len(sentences) > 1 else sentences[0],
        note=_way(stops, len(seeds) > 1, len(sentences) > 1),
        rows=[f"{i + 1} » {i + 2}" for i in range(len(legs))] if len(legs) > 1 else (),
        columns=[f"{100 * index / steps:.0f} %" for index in still],
    )
    film = np.concatenate([leg[:-1] for leg in legs[:-1]] + [legs[-1]])
    film = np.concatenate([film, film[-2:0:-1]])
    at_stop = set(range(0, len(film), steps))
    return Interpolation(sheet, film, [700 if i in at_stop else 80 for i in range(len(film))])


def _way(stops: Sequence[Stop], noises: bool, sentences: bool) -> str:
    if not noises:
        return f"From sentence to sentence, the noise of seed {stops[0].seed} throughout."
    seeds = " » ".join(str(stop.seed) for stop in stops)
    return f"Noise of seeds {seeds}{', sentence and noise together' if sentences else ', one sentence throughout'}."


def variety_sheet(
    model: TextToImage, sentence: str, seeds: Sequence[int], truncation: float = 0.0, columns: int | None = None
) -> np.ndarray:
    """One sentence, a tile a seed: the variation by noise alone."""
    images = model.generate(sentence, seeds=seeds, truncation=truncation)
    columns = columns or max(min(len(seeds), 4), int(np.ceil(np.sqrt(len(seeds)))))
    starts = range(0, len(seeds), columns)
    return table(
        [images[start : start + columns] for start in starts],
        side=tile_side(images.shape[1]),
        heading=sentence,
        note=f"{len(seeds)} seeds; pixels differ by {_pixel_spread(images):.1f} of 255 grey levels on average "
        "(standard deviation over the seeds).",
        labels=[[f"seed {seed}" for seed in seeds[start : start + columns]] for start in starts],
    )


def _pixel_spread(images: np.ndarray) -> float:
    """Mean over pixels of the standard deviation over images (N − 1), grey levels; 0 for one image."""
    return float(images.astype(np.float32).std(axis=0, ddof=1).mean()) if len(images) > 1 else 0.0
