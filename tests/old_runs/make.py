"""Makes runs.zip, samples/ and figures.json with the program of commit 589620f. README.md says how to call it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

OLD = Path.cwd()  # the checkout of 589620f
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path[:0] = [str(OLD), str(Path(__file__).resolve().parents[1])]

from old_runs import measure

BUILD = Path("build/old_runs")  # relative, so that no path of this machine gets into the manifest
COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 160, 40),
    "blue": (40, 60, 210),
    "white": (240, 240, 235),
    "yellow": (230, 210, 40),
    "black": (20, 20, 25),
    "orange": (240, 130, 20),
}
CLASSES = {"train": ("red", "green", "blue", "white"), "test": ("yellow", "black", "orange")}
IMAGES = {"train": 3, "test": 5}  # of each class; with ten captions each, 100 of other classes for R-precision's 99
GAN = (
    "--data=records",
    "--text_encoder=damsm/text_encoder",
    "--image_encoder=damsm/image_encoder",
    "--damsm_weight=0.5",
    "--image_size=64",
    "--ngf=4",
    "--ndf=4",
    "--z_dim=4",
    "--c_dim=6",
    "--pyramid_reduction=8",
    "--pyramid_kernels=5,3",
    "--dense_depth=2",
    "--dense_growth=6",
    "--attention_query=f2f",
    "--fusion=learned",
    "--condition=mu",
    "--loss_weights=attngan",
    "--max_words=7",
    "--batch=5",
    "--lr_g=4e-3",
    "--lr_d=1e-3",
    "--beta1=0.4",
    "--beta2=0.99",
    "--kl_weight=0.05",
    "--kl_warmup=100",
    "--gradient_penalty=magp",
    "--penalty_weight=1.5",
    "--clip_norm=8",
    "--ema_decay=0.7",
    "--noema_warmup",
    "--seed=3",
    "--grid_captions=3",
    "--keep_checkpoints=1",
)
DAMSM = (
    "--data=records",
    "--image_encoder=small",
    "--image_size=64",
    "--max_words=6",
    "--batch=6",
    "--lr=3e-3",
    "--lr_decay=0.9",
    "--lr_floor=0.2",
    "--beta1=0.6",
    "--rnn_clip=0.2",
    "--gamma1=3",
    "--gamma2=4",
    "--gamma3=8",
    "--text_init_range=0.8",
    "--seed=4",
    "--best_by=loss",
    "--validate_every=100",
    "--attention_pictures=2",
    "--keep_checkpoints=1",
)


def draw_source(folder: Path) -> None:
    """Discs with a band on a plain ground, and ten captions each, as `tools/convert_folder.py` takes them."""
    random, names = np.random.default_rng(0), list(COLOURS)
    rows, columns = np.mgrid[0:80, 0:80]
    for split, classes in CLASSES.items():
        for body in classes:
            for number in range(IMAGES[split]):
                wing, ground = random.choice(names, 2)
                size, x, y = random.choice(["small", "big"]), *random.integers(30, 50, 2)
                inside = np.hypot(columns - x, rows - y) < (18 if size == "small" else 28)
                image = np.full((80, 80, 3), COLOURS[ground], np.uint8)
                image[inside] = COLOURS[body]
                image[inside & (abs(rows - y) < 5)] = COLOURS[wing]
                path = folder / f"{body}_birds" / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
                captions = [
                    f"a {size} {body} bird",
                    f"a {body} bird with a {wing} wing",
                    f"this is a {body} bird",
                    f"the {size} bird is {body}",
                    f"a {body} bird on the {ground} ground",
                    f"this bird is {size} and {body}",
                    f"a {wing} wing and a {body} bird",
                    f"a {size} {body} bird with a {wing} wing on the {ground} ground",
                    f"the ground is {ground} and the bird is {body}",
                    f"{body} bird",
                ]
                path.with_suffix(".txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    (folder / "test.txt").write_text(
        "".join(f"{body}_birds/{number}\n" for body in CLASSES["test"] for number in range(IMAGES["test"]))
    )


def thinned(value: np.ndarray, bits: int, most: int) -> np.ndarray:
    """Fewer bits, so that the runs are small: floats with `bits` of mantissa, of which at most about `most` are not 0.
    Which ones depends on the shape alone, so that a weight and its two moments stay together.
    """
    if value.dtype != np.float32 or not value.ndim:
        return value
    step = np.uint32(1 << (23 - bits))
    rounded = ((value.view(np.uint32) + step // 2) & ~(step - np.uint32(1))).view(np.float32)
    kept = np.random.default_rng(list(value.shape)).random(value.shape) < most / value.size
    return np.where(kept, rounded, np.float32(0))


def thin_damsm() -> None:
    """The DAMSM run's checkpoint and encoders, thinned and written by the old program."""
    from ffgan_tf.damsm_config import DamsmConfig
    from ffgan_tf.training.checkpoints import Checkpoints
    from ffgan_tf.training.damsm import Damsm

    from ffgan_tf import config as configs
    from ffgan_tf.data.captions import Vocabulary
    from ffgan_tf.training.damsm_loop import save_encoders

    run, step = BUILD / "damsm", measure.STEPS["damsm"]
    vocabulary, checkpoints = Vocabulary.load(run / "vocabulary.json"), Checkpoints(run / "checkpoints", 1)
    damsm = Damsm(configs.load(DamsmConfig, run), len(vocabulary), IMAGES["train"] * len(CLASSES["train"]))
    checkpoints.restore(damsm.checkpoint(), step)
    models = (damsm.text_encoder, damsm.heads, damsm.trunk)
    for variable in (variable for model in models for variable in model.variables):
        variable.assign(thinned(variable.numpy(), 5, 4_000))
    for variable in damsm.optimizer.variables:
        variable.assign(thinned(variable.numpy(), 2, 4_000))
    checkpoints.save(damsm.checkpoint(), step)
    save_encoders(run, damsm, vocabulary, step, {})


def thin_gan() -> None:
    """The GAN run's checkpoint, thinned and written by the old program."""
    from ffgan_tf.models.encoder_files import load_text_encoder
    from ffgan_tf.training.checkpoints import Checkpoints
    from ffgan_tf.training.gan import Gan

    from ffgan_tf import config as configs

    run, step = BUILD / "gan", measure.STEPS["gan"]
    checkpoints = Checkpoints(run / "checkpoints", 1)
    gan = Gan(configs.load(configs.TrainConfig, run), load_text_encoder(BUILD / "damsm" / "text_encoder")[0])
    checkpoints.restore(gan.checkpoint(), step)
    for variable in (*gan.generator.variables, *gan.ema.variables, *gan.discriminator.variables):
        variable.assign(thinned(variable.numpy(), 5, 10**6))
    for variable in (*gan.optimizer_g.variables, *gan.optimizer_d.variables):
        variable.assign(thinned(variable.numpy(), 2, 3_000))
    checkpoints.save(gan.checkpoint(), step)


def pack() -> None:
    """Zips the files for resuming, sampling and evaluating, without locks, events (they name the host) and grids."""
    with zipfile.ZipFile(measure.ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(BUILD.rglob("*")):
            inside = path.relative_to(BUILD)
            if (
                path.is_file()
                and inside.parts[0] in ("records", "damsm", "gan")
                and path.name != "lock"
                and not {"tensorboard", "samples"} & set(inside.parts)
            ):
                entry = zipfile.ZipInfo(inside.as_posix(), (2026, 1, 1, 0, 0, 0))
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes(), compresslevel=9)


def main() -> None:
    """Records, runs, archive; then the old program's results from the archive."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit.startswith("589620f"), f"call this in a checkout of 589620f, not of {commit}"
    shutil.rmtree(BUILD, ignore_errors=True)
    draw_source(BUILD / "source")
    subprocess.run(
        [
            sys.executable,
            "tools/convert_folder.py",
            f"--folder={BUILD / 'source'}",
            "--image_size=64",
            f"--test_list={BUILD / 'source' / 'test.txt'}",
            f"--out={BUILD / 'records'}",
            "--quality=80",
            "--images_per_shard=10",
            "--workers=1",
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(OLD)},
    )
    measure.run(OLD, BUILD, "train_damsm", "--run=damsm", f"--steps={measure.STEPS['damsm']}", *DAMSM)
    thin_damsm()
    measure.run(OLD, BUILD, "train", "--run=gan", f"--steps={measure.STEPS['gan']}", *GAN)
    thin_gan()
    pack()

    folder = measure.unpack(BUILD / "copy")
    shutil.rmtree(measure.SAMPLES, ignore_errors=True)
    measure.sample(OLD, folder)
    measure.SAMPLES.mkdir()
    for name in measure.read_images(folder / "samples"):
        shutil.copy(folder / "samples" / name, measure.SAMPLES / name)
    figures = {"scores": measure.evaluate(OLD, folder)}
    for name, step in measure.STEPS.items():
        before = measure.state(folder / name, step)
        after = measure.resume(OLD, folder, name)
        figures[name] = {
            "sha256": measure.digest(after),
            "losses": measure.logged(folder, name),
            "movement": measure.movement(before, after),
        }
    measure.FIGURES.write_text(json.dumps(figures, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
