"""Images that a report draws by the runs' checkpoints: test captions beside photographs, and attention."""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from ffgan_tf.reporting.images import Picture, data_uri, shrunk, spread
from ffgan_tf.reporting.runs import RunRecord
from ffgan_tf.run.reading import UnknownWords, read_sentence
from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals.maps import overlay
from ffgan_tf.visuals.sentences import Caption, choose_captions

TILE = 112  # pixels of an attention tile at most


@dataclasses.dataclass(frozen=True)
class Row:
    """One sentence: the photograph it describes, and for each run its images, one a seed."""

    sentence: str
    photograph: Picture | None
    images: list[list[Picture]]


@dataclasses.dataclass(frozen=True)
class Word:
    """Where one word is attended to, by A_1 and A_2."""

    word: str
    maps: list[Picture]
    shares: list[str]


@dataclasses.dataclass(frozen=True)
class Attention:
    """A run's attention for one sentence."""

    run: str
    sentence: str
    image: Picture
    words: list[Word]


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What the runs' newest weights make of the same sentences and noise."""

    rows: list[Row]
    runs: list[str]  # with the step, those that have images
    attention: list[Attention]
    seeds: list[int]


def draw(runs: Sequence[RunRecord], count: int, seeds: Sequence[int], looked_at: int, data: str = "") -> list[Drawn]:
    """What each GAN that has a checkpoint makes of `count` test captions with the noise of `seeds`, and its attention
    for `looked_at` of them. Runs of one data set stand in one table.

    A run that cannot be loaded is left out, and its `missing` says why.
    """
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        if run.kind == "gan" and run.steps:
            groups.setdefault(_same_data(run), []).append(run)
    return [drawn for group in groups.values() if (drawn := _draw(group, count, seeds, looked_at, data))]


def _same_data(run: RunRecord) -> str:
    """Equal for runs whose captions are the same."""
    if run.manifest is None:
        return f"unknown: {run.setting('data')}"
    shards = [shard["sha256"] for split in ("test", "train") for shard in run.manifest["splits"][split]["shards"]]
    return " ".join(shards)


def _draw(runs: Sequence[RunRecord], count: int, seeds: Sequence[int], looked_at: int, data: str) -> Drawn | None:
    models = [(run, model) for run in runs for model in _loaded(run)]
    captions, photographs = _captions(runs, count, data)
    known = [caption for caption in captions if all(_readable(model, caption.text) for _, model in models)]
    if not models or not known:
        return None
    texts, images, attention = [caption.text for caption in known], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownWords)
        for run, model in models:
            made = model.generate(texts, seeds=seeds)
            images.append(made.reshape(len(known), len(seeds), *made.shape[1:]))
            attention += [_attention(run.name, model, texts[n], seeds[0]) for n in spread(len(known), looked_at)]
    return Drawn(
        [_row(known, n, photographs, [run for run, _ in models], images, seeds) for n in range(len(known))],
        [f"{run.name}, step {model.step:,}" for run, model in models],
        sorted(attention, key=lambda one: texts.index(one.sentence)),
        list(seeds),
    )


def _row(
    captions: Sequence[Caption],
    number: int,
    photographs: dict[int, np.ndarray],
    runs: Sequence[RunRecord],
    images: Sequence[np.ndarray],
    seeds: Sequence[int],
) -> Row:
    text, position = captions[number].text, captions[number].position
    return Row(
        text,
        Picture(data_uri(photographs[position]), f"Photograph: {text}") if position in photographs else None,
        [
            [Picture(data_uri(image), f"{run.name}, seed {seed}: {text}") for seed, image in zip(seeds, made[number])]
            for run, made in zip(runs, images)
        ],
    )


def _loaded(run: RunRecord) -> Iterator:
    """The run's model, or nothing and a sentence in `missing`."""
    from ffgan_tf.run.text_to_image import load

    try:
        yield load(run.folder)
    except UserError as error:
        run.missing.append(f"no images by its weights: {error}")


def _readable(model, sentence: str) -> bool:
    try:
        read_sentence(sentence, model.vocabulary)
    except UserError:
        return False
    return True


def _captions(runs: Sequence[RunRecord], count: int, data: str) -> tuple[list[Caption], dict[int, np.ndarray]]:
    """Test captions of the first run's data set with their photographs; without it, sentences of its sample grid."""
    for run in runs:
        folder = data or run.setting("data", "")
        if run.manifest is None or not folder:
            continue
        try:
            return _of_records(folder, run, count)
        except UserError as error:
            run.missing.append(f"no photographs: {error}")
    listed = next((run.sentences for run in runs if run.sentences), [])
    return [Caption(listed[place], "", -1) for place in spread(len(listed), count)], {}


def _of_records(folder: str, run: RunRecord, count: int) -> tuple[list[Caption], dict[int, np.ndarray]]:
    from ffgan_tf.data.pipeline import load_split
    from ffgan_tf.evaluation.images import RecordImages

    split = load_split(folder, "test")
    captions = choose_captions(split.names, split.texts, count)
    photographs = RecordImages(folder, "test", run.setting("image_size", 64))
    return captions, {c.position: next(iter(photographs.read(c.position, c.position + 1))) for c in captions}


def _attention(name: str, model, sentence: str, seed: int) -> Attention:
    found = model.explain(sentence, seed)
    words = []
    for place, word in enumerate(found.reading.words):
        maps = [attention[..., place] for attention in found.attention]
        lit = [data_uri(shrunk(overlay(found.image, each), TILE), 80) for each in maps]
        words.append(
            Word(
                word,
                [Picture(uri, f"A{level}: where {word!r} is attended to") for level, uri in enumerate(lit, 1)],
                [f"{100 * each.mean():.0f} %, peak {100 * each.max():.0f} %" for each in maps],
            )
        )
    return Attention(name, sentence, Picture(data_uri(found.image), sentence), words)
