"""python tools/convert_folder.py --folder=ROOT --out=DIR --test_ratio=0.1

Converts any folder of images into TFRecords. Each image has its captions beside it in a text file of the same name, 1
to 10 lines. Subfolders are classes; images in ROOT itself are a class each. The test split is given by --test_list (a
file of names relative to ROOT, one a line) or drawn by --test_ratio and --seed.
"""

from absl import app, flags

from ffgan_tf.data.convert import converter_flags, folder
from ffgan_tf.utils.errors import UserError, exit_code_main

_FOLDER = flags.DEFINE_string("folder", None, "ROOT, the folder of the images.", required=True)
_TEST_LIST = flags.DEFINE_string("test_list", None, "File with the test images' names, one a line.")
_TEST_RATIO = flags.DEFINE_float("test_ratio", None, "Share of the images that become the test split.", 0, 1)
_SEED = flags.DEFINE_integer("seed", 0, "Draws the test split of --test_ratio.")


def main(argv):
    """Reads the flags and converts."""
    del argv
    if (_TEST_LIST.value is None) == (_TEST_RATIO.value is None):
        raise UserError("the split needs exactly one of --test_list and --test_ratio.")
    return converter_flags.run(
        folder.read_source(_FOLDER.value, _TEST_LIST.value, _TEST_RATIO.value or 0.0, _SEED.value)
    )


if __name__ == "__main__":
    converter_flags.define("folder")
    flags.adopt_module_key_flags(converter_flags)  # so that --help shows them
    app.run(exit_code_main(main))
