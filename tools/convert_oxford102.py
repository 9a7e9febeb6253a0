"""python tools/convert_oxford102.py --oxford=ROOT --out=DIR

Converts Oxford-102 Flowers into TFRecords. ROOT holds the published files: jpg/image_XXXXX.jpg, imagelabels.mat and
text_c10/class_XXXXX/image_XXXXX.txt. Classes 1-20 become the test split, 21-102 the training split.

With --source=tfds the images and labels come through tensorflow-datasets (oxford_flowers102, which must have been
prepared, or is with --download); the captions still come from ROOT/text_c10.
"""

from absl import app, flags

from ffgan_tf.data.convert import converter_flags, oxford102
from ffgan_tf.utils.errors import exit_code_main

_OXFORD = flags.DEFINE_string("oxford", None, "ROOT, the folder of the published files.", required=True)
_SOURCE = flags.DEFINE_enum("source", "files", ["files", "tfds"], "Where images and labels come from.")
_TFDS_DIR = flags.DEFINE_string("tfds_dir", None, "tensorflow-datasets' data folder; default: its own.")
_DOWNLOAD = flags.DEFINE_bool("download", False, "With --source=tfds: let tensorflow-datasets fetch the data set.")


def main(argv):
    """Reads the flags and converts."""
    del argv
    if _SOURCE.value == "tfds":
        source = oxford102.from_tfds(_OXFORD.value, _TFDS_DIR.value, _DOWNLOAD.value)
    else:
        source = oxford102.from_files(_OXFORD.value)
    return converter_flags.run(source)


if __name__ == "__main__":
    converter_flags.define("oxford102")
    flags.adopt_module_key_flags(converter_flags)  # so that --help shows them
    app.run(exit_code_main(main))
