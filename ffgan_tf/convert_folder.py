"""Converts any folder of images into TFRecords:

    python -m ffgan_tf.convert_folder --folder=ROOT --out=DIR --test_ratio=0.1

Each image has its captions beside it in a text file of the same name, one a line; the first ten are used, or
--captions_per_image. Subfolders are classes; images in ROOT itself are a class each. --test_list (a file of names
relative to ROOT, one a line) names the test split, or --test_ratio and --seed draw it. Exit codes: 0 done, 2 something
is for you to fix.
"""

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.config.flags import any_bytes
from ffgan_tf.data.captions import CAPTIONS_PER_IMAGE
from ffgan_tf.data.convert import converter_flags, folder
from ffgan_tf.run.source import vocabulary_of
from ffgan_tf.utils.errors import UserError


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("folder", None, "ROOT, the folder of the images.")
    flags.DEFINE_string("test_list", None, "File with the test images' names, one a line.")
    any_bytes("folder", "test_list")
    flags.DEFINE_float("test_ratio", None, "Share of the images that become the test split.", 0, 1)
    flags.DEFINE_integer(
        "captions_per_image",
        CAPTIONS_PER_IMAGE,
        "Captions to read from a file, from the first line on.",
        lower_bound=1,
    )
    flags.DEFINE_integer("seed", 0, "Draws the test split of --test_ratio.")
    converter_flags.define("folder")


def main(argv: list[str]) -> int:
    """Reads the flags and converts."""
    del argv
    values = flags.FLAGS
    if (values.test_list is None) == (values.test_ratio is None):
        raise UserError(
            "the split needs exactly one of --test_list and --test_ratio. Fix: --test_ratio=0.1, or a list."
        )
    return converter_flags.run(
        folder.read_source(
            values.folder, values.test_list, values.test_ratio or 0.0, values.seed, values.captions_per_image
        ),
        vocabulary_of,
    )


def cli() -> None:
    """The command ffgan-convert-folder."""
    run_command(main, define_flags, required=["folder"])


if __name__ == "__main__":
    cli()
