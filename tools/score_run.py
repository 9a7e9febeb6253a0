"""python tools/score_run.py --run=RUN --labels=CSV --inception_weights=FILE

Scores a run at little cost. It generates one image for each test image of the run's data set, from one of that image's
captions drawn by --seed, and compares them with the real images: FID, KID, precision and recall (features of
--inception), colour agreement, the ratio of power spectra, and variety within one caption. One JSON line goes to
RUN/scores.jsonl. RUN/samples/score-STEP.png shows images of 64 test captions, then four captions with eight images
each.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

from ffgan_tf.config.flags import any_bytes, parse_flags
from ffgan_tf.run.source import find
from ffgan_tf.utils.errors import UserError, exit_code_main, report_write_errors
from ffgan_tf.utils.files import check_writable, expand_home, write_atomic
from ffgan_tf.utils.reading import npz_bytes, read_npz

CAPTIONS, EACH, SHOWN = 16, 8, 64  # captions for variety, images of each; images in the sheet


def define_flags() -> None:
    """The command's flags."""
    flags.DEFINE_string("run", "", "Folder of a trained run.")
    flags.DEFINE_list("steps", [], "Checkpoints of the run to score; default: the newest.")
    flags.DEFINE_string("data", "", "Converted data set; default: the run's own.")
    flags.DEFINE_string("labels", "", "CSV of the images' colours.")
    any_bytes("labels")
    flags.DEFINE_enum("inception", "fid2015", ("fid2015", "keras"), "Network of the features.")
    flags.DEFINE_string("inception_weights", None, "Its weights file.")
    flags.DEFINE_enum("precision", "float32", ("float32", "bfloat16"), "Arithmetic of the Inception network.")
    flags.DEFINE_integer("num_samples", 0, "Images to generate; 0: one for each test image.", lower_bound=0)
    flags.DEFINE_integer(
        "reduce_to",
        0,
        "Side to which all images are reduced first, by averaging, so that runs of several S are judged by what they "
        "draw and not by its finest detail; 0: as they are.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "enlarge_to",
        0,
        "Side to which generated images are enlarged first (Lanczos), beside real ones of that side: what a run of a "
        "larger S has to do better than; 0: as they are.",
        lower_bound=0,
    )
    flags.DEFINE_integer("seed", 1, "Of captions and noise.", lower_bound=0)
    flags.DEFINE_string(
        "cache_dir", "~/.cache/ffgan_tf/scores", "Folder for cached features of real images and colour probes."
    )


def features_of(network, images: np.ndarray) -> np.ndarray:
    """Features (N, 2048) of images (N, S, S, 3) uint8."""
    return np.concatenate([network.features(images[i : i + 32])["2048"] for i in range(0, len(images), 32)])


def reduced(images: np.ndarray, side: int) -> np.ndarray:
    """Images (N, S, S, 3) uint8 → (N, side, side, 3), the mean of each square of S/side pixels; side 0: unchanged."""
    if side in (0, images.shape[1]):
        return images
    if images.shape[1] % side:
        raise UserError(f"--reduce_to={side}: {images.shape[1]} pixels are no multiple of it. Fix: --reduce_to=64.")
    from ffgan_tf.training.images import at_sizes

    parts = (at_sizes(images[i : i + 256].astype(np.float32), (side,))[0] for i in range(0, len(images), 256))
    return np.concatenate([np.round(part).astype(np.uint8) for part in parts])


def enlarged(images: np.ndarray, side: int) -> np.ndarray:
    """Images (N, S, S, 3) uint8 → (N, side, side, 3) by Pillow's Lanczos filter; side 0: unchanged."""
    if side in (0, images.shape[1]):
        return images
    if side < images.shape[1]:
        raise UserError(f"--enlarge_to={side}: the run's images have {images.shape[1]}. Fix: --reduce_to={side}.")
    size = (side, side)
    return np.stack([np.asarray(Image.fromarray(one).resize(size, Image.Resampling.LANCZOS)) for one in images])


def real_features(network, images: np.ndarray, cache: Path) -> np.ndarray:
    """Features (N, 2048) of the real images, cached; a damaged file is made again."""
    key = hashlib.sha256(images.tobytes() + repr(sorted(network.protocol().items())).encode()).hexdigest()[:24]
    path = cache / f"{key}.npz"
    try:
        return read_npz(path)["features"]
    except UserError:  # missing or damaged
        features = features_of(network, images).astype(np.float32)
        with report_write_errors(path):
            write_atomic(path, npz_bytes({"features": features}))
        return features


def score(run, data: str, network, args: flags.FlagValues) -> dict:
    """Writes one checkpoint's sheet and returns its scores."""
    from ffgan_tf.data import pipeline, records
    from ffgan_tf.evaluation.colour_agreement import evaluate_colours
    from ffgan_tf.metrics.scores import compare_features
    from ffgan_tf.metrics.spectrum import spectrum_ratio
    from ffgan_tf.metrics.variety import variety
    from ffgan_tf.utils.grid import grid, png

    size, cache = run.config.model.image_size, expand_home(args.cache_dir)

    def shaped(images):
        return reduced(enlarged(images, args.enlarge_to), args.reduce_to)

    test, manifest = pipeline.load_split(data, "test"), records.read_manifest(data)
    side = args.enlarge_to or size
    real = pipeline.centre_crops(test, max_size=manifest["image"]["max_size"], image_size=side)
    real = reduced(real, args.reduce_to)

    def generate(captions, tokens, ids, seed):
        return run.sampler(tokens, seed, list(ids))

    probe = cache / f"probe-{manifest['name']}-{size}.npz"
    colours = evaluate_colours(generate, data, args.labels, size, args.num_samples, args.seed, probe)
    images, of_real = shaped(colours.images), real_features(network, real, cache)
    scores, notes = compare_features(features_of(network, images), of_real, seed=args.seed)
    spectrum = spectrum_ratio(images, real)

    chosen = np.linspace(0, len(test.names) - 1, CAPTIONS).astype(int)
    tokens = [test.tokens[i, 0, : test.lengths[i, 0]].tolist() for i in chosen]
    # Noise vectors that no image above uses.
    ids = [[len(images) + k * CAPTIONS + i for i in range(CAPTIONS)] for k in range(EACH)]
    varied = np.stack([shaped(run.sampler(tokens, args.seed, row)) for row in ids], axis=1)
    within = features_of(network, varied.reshape(-1, *images.shape[1:])).reshape(CAPTIONS, EACH, -1)

    shown = images[np.linspace(0, len(images) - 1, SHOWN).astype(int)]
    shown = np.concatenate([shown, varied[:4].reshape(-1, *images.shape[1:])])
    resized = args.reduce_to or args.enlarge_to
    at = f"-at-{images.shape[1]}" if resized else ""
    sheet = find(args.run).samples / f"score-{run.step:08d}{at}.png"
    write_atomic(sheet, png(grid(shown.repeat(2, axis=1).repeat(2, axis=2), columns=12)))
    return {
        "kind": "score_run_resized" if resized else "score_run",  # reports show the latter
        "run": str(run.path),
        "step": run.step,
        "images_seen": run.step * run.config.schedule.batch,
        "train_seed": run.config.schedule.seed,
        "seed": args.seed,
        "count": len(images),
        "side": images.shape[1],
        **{name: scores[name] for name in ("fid", "kid", "precision", "recall", "density", "coverage")},
        "colour_agreement": colours.report["colour_agreement"],
        "colour_agreement_real": colours.report["real"],
        "variety_ratio": variety(within, of_real, test.classes)["variety_ratio"],
        **{f"spectrum_{band}": ratio for band, ratio in spectrum.bands.items()},
        "spectrum_worst": spectrum.worst,
        "spectrum_worst_period": spectrum.worst_period,
        "spectrum_rows": np.round(spectrum.rows, 4).tolist(),
        "spectrum_columns": np.round(spectrum.columns, 4).tolist(),
        "network": network.protocol(),
        "reference_stored": records.storage(manifest),
        "notes": notes,
    }


def main(argv: list[str]) -> int:
    """Scores each of --steps."""
    args = flags.FLAGS
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. Fix: --run={argv[1]}")
    for name in ("run", "labels"):
        if not args[name].value:
            raise UserError(f"--{name} is missing: {flags.FLAGS[name].help} Fix: --{name}=…")
    if not all(step.isdecimal() for step in args.steps):
        raise UserError(f"--steps={','.join(args.steps)}: not numbers. Fix: --steps=250,500")
    source = find(args.run)
    data = source.data(args.data)
    from ffgan_tf.evaluation.colour_probe import read_colour_labels

    read_colour_labels(args.labels)  # before the work, as the places
    check_writable(source.home / "scores.jsonl")
    check_writable(source.samples, folder=True)
    check_writable(expand_home(args.cache_dir), "--cache_dir", folder=True)
    from ffgan_tf.evaluation.inception.networks import load_network
    from ffgan_tf.evaluation.report import append_json_line
    from ffgan_tf.run.sampler import load_run

    network = load_network(
        args.inception, args.inception_weights, args.precision, None, 32, ("--inception", "--inception_weights")
    )
    for step in map(int, args.steps) if args.steps else [None]:
        scores = score(load_run(source.path, step=step), data, network, args)
        append_json_line(source.home / "scores.jsonl", scores)
        shown = {name: value for name, value in scores.items() if isinstance(value, int | float)}
        print("  ".join(f"{name} {value:.4g}" for name, value in shown.items()), flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    define_flags()
    app.run(exit_code_main(main), flags_parser=parse_flags)
