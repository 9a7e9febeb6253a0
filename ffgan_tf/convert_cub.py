"""Converts CUB-200-2011 birds into TFRecords:   python -m ffgan_tf.convert_cub --cub=ROOT --out=DIR

ROOT has the layout of StackGAN and AttnGAN: CUB_200_2011/ (images/, images.txt, bounding_boxes.txt), text/ or text_c10/
with ten captions an image, train/ and test/ with filenames.pickle and class_info.pickle. ffgan_tf.make_demo_dataset
makes such a folder without a download. Exit codes: 0 done, 2 something is for you to fix.
"""

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.config.flags import any_bytes
from ffgan_tf.data.convert import converter_flags, cub
from ffgan_tf.run.source import vocabulary_of


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("cub", None, "ROOT, the folder of the published files.")
    any_bytes("cub")
    flags.DEFINE_string(
        "captions_pickle",
        None,
        "AttnGAN's captions.pickle, to use a text encoder that was released with it: gives vocabulary and token ids.",
    )
    converter_flags.define("cub")


def main(argv: list[str]) -> int:
    """Reads the flags and converts."""
    del argv
    return converter_flags.run(cub.read_source(flags.FLAGS.cub, flags.FLAGS.captions_pickle), vocabulary_of)


def cli() -> None:
    """The command ffgan-convert-cub."""
    run_command(main, define_flags, required=["cub"])


if __name__ == "__main__":
    cli()
