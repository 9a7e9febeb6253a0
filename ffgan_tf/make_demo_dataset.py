"""Renders the demo data set:   python -m ffgan_tf.make_demo_dataset --out=demo_data/birds

Drawn birds with ten captions each, in CUB's published layout, so that ffgan_tf.convert_cub converts them like CUB
itself. No download. Training and test classes are disjoint. Also writes rendered.json (every parameter of every image)
and colours.csv (the body's colour, for ffgan_tf.colour_agreement). The same seed gives the same bytes, under the same
versions of NumPy and Pillow. Exit codes: 0 done, 2 something is for you to fix.
"""

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.demo.birds import make_demo_dataset


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("out", None, "Folder to make; must not exist yet.")
    flags.DEFINE_integer("seed", 0, "Everything random comes from it.", lower_bound=0)
    flags.DEFINE_integer("train_classes", 150, "Species to train on, as many as CUB has.", lower_bound=1)
    flags.DEFINE_integer("test_classes", 50, "Species to test on; 8 or more show every body colour.", lower_bound=1)
    flags.DEFINE_integer("images_per_class", 12, "Images of each species.", lower_bound=1)
    flags.DEFINE_bool("overwrite", False, "Replace an older demo data set at --out.")


def main(argv: list[str]) -> int:
    """Renders the data set and prints its counts."""
    del argv
    values = flags.FLAGS
    counts = make_demo_dataset(
        values.out,
        values.seed,
        values.train_classes,
        values.test_classes,
        values.images_per_class,
        values.overwrite,
    )
    print(f"{values.out}: {counts['train']:,} train and {counts['test']:,} test images")
    return 0


def cli() -> None:
    """The command ffgan-make-demo-dataset."""
    run_command(main, define_flags, required=["out"])


if __name__ == "__main__":
    cli()
