"""Converts Oxford-102 Flowers into TFRecords:   python -m ffgan_tf.convert_oxford102 --oxford=ROOT --out=DIR

ROOT holds the published files: jpg/image_XXXXX.jpg, imagelabels.mat and text_c10/class_XXXXX/image_XXXXX.txt. Classes
1-20 become the test split, 21-102 the training split.

With --source=tfds the images and labels come from tensorflow-datasets (oxford_flowers102, already prepared, or fetched
by --download); the captions still come from ROOT/text_c10. With --captions_pickle, ROOT also holds
{train,test}/filenames.pickle, the order of AttnGAN's captions.pickle. Exit codes: 0 done, 2 something is for you to
fix.
"""

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.config.flags import any_bytes
from ffgan_tf.data.convert import converter_flags, oxford102
from ffgan_tf.run.source import vocabulary_of


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("oxford", None, "ROOT, the folder of the published files.")
    any_bytes("oxford")
    flags.DEFINE_enum("source", "files", ["files", "tfds"], "Where images and labels come from.")
    flags.DEFINE_string("tfds_dir", None, "tensorflow-datasets' data folder; default: its own.")
    flags.DEFINE_bool("download", False, "With --source=tfds: let tensorflow-datasets fetch the data set.")
    flags.DEFINE_string(
        "captions_pickle",
        None,
        "AttnGAN's captions.pickle for flowers, to use a text encoder that was released with it: gives vocabulary and "
        "token ids, in the order of ROOT/{train,test}/filenames.pickle of the same publication.",
    )
    converter_flags.define("oxford102")


def main(argv: list[str]) -> int:
    """Reads the flags and converts."""
    del argv
    values = flags.FLAGS
    if values.source == "tfds":
        source = oxford102.from_tfds(values.oxford, values.tfds_dir, values.download)
    else:
        source = oxford102.from_files(values.oxford)
    if values.captions_pickle:
        oxford102.use_pickled_captions(source, values.oxford, values.captions_pickle)
    return converter_flags.run(source, vocabulary_of)


def cli() -> None:
    """The command ffgan-convert-oxford102."""
    run_command(main, define_flags, required=["oxford"])


if __name__ == "__main__":
    cli()
