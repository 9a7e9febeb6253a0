"""A small probe for the main colour of an image, to compare generated images with their captions.

The score of colour c is Σ over pixels of position_weight[its position] · colour_weight[its colour, c]: a position has
one weight for all colours, and a colour has the same weights at all positions. Both tables are learned together from
images of known colour, by multinomial logistic regression on histograms. A full regression, with a weight for each pair
of position and colour, memorises the species of the demo birds and does worse on new ones. Images are averaged down
first, and only histograms count, because generated images are blurred and noisy.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import optimize, special, stats

from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.reading import npz_bytes, read_npz, read_text

FEATURES = "lab-5x8x8-cells-8x4"  # names the histograms below; a stored probe of other features is not used
_SIDE = 32  # pixels per side after averaging down
# Cells from top to bottom, and from either edge to the middle: a cell and its mirror image count as one, so that the
# probe does not depend on the direction a bird faces.
_ROWS, _COLUMNS = 8, 4
_BINS = ((0.0, 100.0, 5), (-60.0, 80.0, 8), (-80.0, 90.0, 8))  # of L*, a*, b*: lowest and highest centre, count


def record_key(name: str) -> str:
    """`<class>/<image>`, `image_00001.jpg` → the bare name of the image, which matches labels to records."""
    return Path(name.replace("\\", "/")).name.removesuffix(".jpg").removesuffix(".png").removesuffix(".jpeg")


def read_colour_labels(path: str | os.PathLike) -> dict[str, str]:
    """A CSV with the columns `image` and `colour` (others are ignored) → {bare image name: colour}.

    Raises UserError where the file or a column is missing, a field is empty, or two lines name one image.
    """
    labels: dict[str, str] = {}
    fix = "Fix: name the labels, --labels=FILE.csv (ffgan_tf.make_demo_dataset writes colours.csv beside its images)."
    reader = csv.DictReader(io.StringIO(read_text(path, fix=fix)))
    try:
        if not {"image", "colour"} <= set(reader.fieldnames or ()):
            raise UserError(
                f"{path}: its first line must name the columns image and colour, it has "
                f"{','.join(reader.fieldnames or ())[:200] or 'nothing'}. {fix}"
            )
        for row in reader:
            image, colour = (row["image"] or "").strip(), (row["colour"] or "").strip()
            if not image or not colour:
                raise UserError(f"{path}, line {reader.line_num}: the image or its colour is empty. {fix}")
            if record_key(image) in labels:
                raise UserError(
                    f"{path}, line {reader.line_num}: a second line for the image {record_key(image)}. "
                    "Fix: file names must be unique without their folders, one line each."
                )
            labels[record_key(image)] = colour
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not CSV ({error}). {fix}") from None
    return labels


def labels_of(names: Sequence[str], labels: dict[str, str], source: str, what: str = "images") -> list[str]:
    """The colour of each image, by its name in the records; `source` is the flag that named the labels, for messages.

    Raises UserError where an image has no colour.
    """
    missing = [name for name in names if record_key(name) not in labels]
    if missing:
        raise UserError(
            f"{source}: {len(missing):,} of {len(names):,} {what} have no colour there; the first is "
            f"{missing[0]}. Fix: name the labels of this data set."
        )
    return [labels[record_key(name)] for name in names]


def srgb_to_lab(pixels: np.ndarray) -> np.ndarray:
    """sRGB in 0…255 [..., 3] → CIE L*a*b* (D65), float32."""
    x = np.asarray(pixels, np.float32) / 255
    x = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    to_xyz = np.float32(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = x @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def features(images: np.ndarray) -> np.ndarray:
    """uint8 images [N,S,S,3], S a multiple of 32 → float32 [N,32 cells,320 colours]: a cell's shares sum to 1."""
    images = np.asarray(images)
    size = images.shape[1]
    if images.ndim != 4 or images.shape[1:] != (size, size, 3) or size % _SIDE or images.dtype != np.uint8:
        raise ValueError(f"images must be uint8 [N,S,S,3], S a multiple of {_SIDE}: {images.dtype} {images.shape}")
    across = np.arange(_SIDE) // (_SIDE // (2 * _COLUMNS))
    across = np.minimum(across, 2 * _COLUMNS - 1 - across)
    cell = ((np.arange(_SIDE) // (_SIDE // _ROWS))[:, None] * _COLUMNS + across).ravel()  # of each pixel
    cells, bins = _ROWS * _COLUMNS, int(np.prod([number for _, _, number in _BINS]))
    out = np.empty((len(images), cells, bins), np.float32)
    for start in range(0, len(images), 256):
        part = images[start : start + 256]
        n, k = len(part), size // _SIDE
        lab = srgb_to_lab(part.reshape(n, _SIDE, k, _SIDE, k, 3).mean((2, 4), dtype=np.float32)).reshape(n, -1, 3)
        index, weight = (np.arange(n)[:, None] * cells + cell)[..., None], np.ones((1, 1, 1), np.float32)
        for channel, (low, high, number) in enumerate(_BINS):  # shared linearly between neighbouring bins
            position = np.clip((lab[..., channel] - low) / (high - low) * (number - 1), 0, number - 1 - 1e-4)[..., None]
            lower = np.floor(position).astype(np.int64)
            index = np.concatenate([index * number + lower, index * number + lower + 1], -1)
            weight = np.concatenate([weight * (1 - position + lower), weight * (position - lower)], -1)
        counts = np.bincount(index.ravel(), weight.ravel(), n * cells * bins)
        out[start : start + n] = counts.reshape(n, cells, bins) * (cells / _SIDE**2)
    return out


class ColourProbe:
    """Predicts the main colour of an image. `fit` trains a probe, `load` reads one."""

    def __init__(
        self,
        colours: Sequence[str],
        position_weights: np.ndarray,
        colour_weights: np.ndarray,
        bias: np.ndarray,
        key: str = "",
    ):
        """Of N colours: `position_weights` [cells], `colour_weights` [bins, N], `bias` [N]."""
        self.colours = [str(colour) for colour in colours]
        self.key = key  # identifies the data it was fitted on, for the code that stores it
        self._position_weights, self._colour_weights, self._bias = position_weights, colour_weights, bias

    @classmethod
    def fit(cls, images: np.ndarray, labels: Sequence[str], l2: float = 1e-4, key: str = "") -> "ColourProbe":
        """Minimises mean cross-entropy + ½·l2·(‖colour weights‖² + ‖position weights − 1‖²) by L-BFGS, starting from
        equal position weights.

        `images` as for `features`, one label each. Raises ValueError with fewer than two colours.
        """
        colours, target = np.unique(np.asarray(labels, str), return_inverse=True)
        if len(colours) < 2 or len(target) != len(images):
            raise ValueError(f"{len(images)} images, {len(target)} labels, {len(colours)} colours: nothing to learn")
        x = features(images)
        used = np.flatnonzero(x.mean((0, 1)) > 2e-4)  # rare colours cost time and overfit
        bins, x = x.shape[2], np.ascontiguousarray(x[:, :, used])
        cells = x.shape[1]
        scale = 1 / cells / np.sqrt(np.square(x.mean(1)).sum(1).mean())  # a histogram's length, about 1
        truth = np.eye(len(colours), dtype=np.float32)[target]
        ends = np.cumsum([cells, len(used) * len(colours)])

        def split(flat):
            of_positions, of_colours, bias = np.split(np.float32(flat), ends)
            return of_positions, of_colours.reshape(len(used), len(colours)), bias

        def loss(flat):
            of_positions, of_colours, bias = split(flat)
            pooled = (of_positions * np.float32(scale)) @ x
            log_p = special.log_softmax(pooled @ of_colours + bias, axis=1)
            slope = (np.exp(log_p) - truth) / len(x)
            wrong = (slope @ of_colours.T)[:, None] * np.float32(scale)
            to_positions = (wrong @ x.transpose(0, 2, 1)).sum((0, 1)) + l2 * (of_positions - 1)
            to_colours = pooled.T @ slope + l2 * of_colours
            value = -float((truth * log_p).sum(dtype=np.float64)) / len(x)
            value += 0.5 * l2 * (float(np.square(of_colours).sum()) + float(np.square(of_positions - 1).sum()))
            return value, np.concatenate([to_positions, to_colours.ravel(), slope.sum(0)]).astype(np.float64)

        start = np.zeros(ends[-1] + len(colours))
        start[:cells] = 1
        of_positions, of_colours, bias = split(
            optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        )
        all_bins = np.zeros((bins, len(colours)), np.float32)
        all_bins[used] = of_colours
        return cls(colours, of_positions * np.float32(scale), all_bins, bias, key)

    def predict(self, images: np.ndarray) -> list[str]:
        """The colour of each image (as for `features`)."""
        best = (self._position_weights @ features(images) @ self._colour_weights + self._bias).argmax(1)
        return [self.colours[i] for i in best]

    def save(self, path: str | os.PathLike) -> None:
        """Writes the probe as .npz without pickles, with its digest, atomically."""
        arrays = {
            "colours": np.array(self.colours),
            "places": self._position_weights,  # under the names that older files have
            "names": self._colour_weights,
            "bias": self._bias,
            "key": np.array(self.key),
            "features": np.array(FEATURES),
        }
        with report_write_errors(path):
            write_atomic(path, npz_bytes(arrays))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "ColourProbe":
        """Reads a file written by `save`. Raises UserError for any other file, or one with other features."""
        try:
            values = read_npz(path, fix="Fix: delete it; it will be fitted again.")
            if str(values.pop("features")) != FEATURES:
                raise UserError(f"{path}: a colour probe of another version. Fix: delete it; it will be fitted again.")
            weights = values["places"], values["names"]
            return cls(values["colours"], *weights, values["bias"], str(values["key"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a colour probe ({error}). Fix: delete it; it will be fitted again.") from None


def agreement(predicted: Sequence[str], wanted: Sequence[str], colours: Sequence[str] | None = None) -> dict:
    """How often the predicted colour is the wanted one.

    → `accuracy` with its 95 % Clopper–Pearson `interval`; `per_colour` accuracy and `counts` of the wanted colours;
    `chance` = 1/number of colours (those that occur, and `colours`), `chance_matched` = the accuracy of independent
    draws with both lists' own shares, `chance_majority` = that of always predicting the commonest wanted colour;
    `confusion` (row: wanted, column: predicted, both in the order of the returned `colours`).
    """
    if len(predicted) != len(wanted) or not len(wanted):
        raise ValueError(f"{len(predicted)} colours found for {len(wanted)} wanted")
    colours = sorted({*predicted, *wanted, *(colours or ())})
    index = {colour: i for i, colour in enumerate(colours)}
    confusion = np.zeros((len(colours), len(colours)), int)
    np.add.at(confusion, ([index[c] for c in wanted], [index[c] for c in predicted]), 1)
    total, right = int(confusion.sum()), int(np.trace(confusion))
    rows, columns = confusion.sum(1), confusion.sum(0)
    interval = stats.binomtest(right, total).proportion_ci(0.95, method="exact")
    return {
        "accuracy": right / total,
        "interval": [float(interval.low), float(interval.high)],
        "count": total,
        "chance": 1 / len(colours),
        "chance_matched": float(rows @ columns) / total**2,
        "chance_majority": int(rows.max()) / total,
        "per_colour": {c: float(confusion[i, i] / rows[i]) for c, i in index.items() if rows[i]},
        "counts": {c: int(rows[i]) for c, i in index.items()},
        "colours": colours,
        "confusion": confusion.tolist(),
    }
