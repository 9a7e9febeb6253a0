"""Images for the page: small files as data URIs, and the images of the sample grids of training."""

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from ffgan_tf.reporting.runs import RunRecord
from ffgan_tf.utils.grid import tiles

QUALITY = 85
SHOWN = 16  # images of a grid
MOST_STEPS, LEAST_STEPS = 16, 3  # of a run's samples
BUDGET = 1_300_000  # characters of data URIs for the samples of all runs


def data_uri(image: np.ndarray, quality: int = QUALITY) -> str:
    """An image (H, W, 3) uint8 as WebP in a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=quality, method=5)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def shrunk(image: np.ndarray, most: int) -> np.ndarray:
    """The image with its longer side at `most` pixels at most."""
    height, width = image.shape[:2]
    share = most / max(height, width)
    if share >= 1:
        return image
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image on the page."""

    uri: str
    text: str  # what it shows, for those who do not see it, and its caption


@dataclasses.dataclass(frozen=True)
class SampleStep:
    """A run's samples at one step."""

    step: int
    pictures: list[Picture]


@dataclasses.dataclass(frozen=True)
class Samples:
    """A run's samples over its steps; `whole` where each is one sheet with its sentences in it."""

    run: str
    steps: list[SampleStep]
    whole: bool
    note: str


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0 … count − 1, evenly apart, both ends among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))}) if count else []


def samples_of(run: RunRecord, budget: int, missing: list[str]) -> Samples | None:
    """The sample grids of a run's training, as many steps as fit into `budget` characters; None where there are none.

    Grids whose images can be found are taken apart, so that each stands with its sentence as text; others, as those of
    attention of a DAMSM run, are shown whole. A damaged file is left out and named in `missing`.
    """
    found = run.samples
    if not found:
        return None
    last = next(
        (step for step in (_sample_step(run, number, missing) for number in range(len(found) - 1, -1, -1)) if step),
        None,
    )
    if last is None:
        return None
    takes = sum(len(picture.uri) for picture in last.pictures)
    most = int(np.clip(budget // max(takes, 1), LEAST_STEPS, MOST_STEPS))
    known = {last.step: last}
    steps = []
    for number in spread(len(found), most):
        step = known.get(found[number][0]) or _sample_step(run, number, missing)
        steps += [step] if step else []
    whole = len(last.pictures) == 1 and len(run.sentences) != 1
    shown = f"{len(steps)} of {len(found)} grids" if len(steps) < len(found) else ""
    fewer = f"{SHOWN} of {len(run.sentences)} sentences" if not whole and len(run.sentences) > SHOWN else ""
    return Samples(run.name, steps, whole, ", ".join(part for part in (shown, fewer) if part))


def _sample_step(run: RunRecord, number: int, missing: list[str]) -> SampleStep | None:
    step, path = run.samples[number]
    try:
        with Image.open(path) as file:
            sheet = np.asarray(file.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError):
        message = f"samples/{path.name}: not a whole image, left out"
        missing += [message] if message not in missing else []
        return None
    images = _taken_apart(run, sheet)
    if images is None:
        return SampleStep(step, [Picture(data_uri(shrunk(sheet, 1400), 75), f"Samples of step {step:,}")])
    chosen = spread(len(images), SHOWN)
    return SampleStep(step, [Picture(data_uri(images[place]), run.sentences[place]) for place in chosen])


def _taken_apart(run: RunRecord, sheet: np.ndarray) -> np.ndarray | None:
    size = run.setting("image_size")
    if not (run.kind == "gan" and run.sentences and isinstance(size, int)):
        return None
    try:
        return tiles(sheet, len(run.sentences), size, run.sentences)
    except ValueError:
        return None
