"""python tools/convert_cub.py --cub=ROOT --out=DIR

Converts CUB-200-2011 birds into TFRecords. ROOT has the layout of StackGAN and AttnGAN: CUB_200_2011/ (images/,
images.txt, bounding_boxes.txt), text/ or text_c10/ with ten captions an image, train/ and test/ with filenames.pickle
and class_info.pickle. tools/make_demo_dataset.py makes such a folder without a download.
"""

from absl import app, flags

from ffgan_tf.data.convert import converter_flags, cub
from ffgan_tf.utils.errors import exit_code_main

_CUB = flags.DEFINE_string("cub", None, "ROOT, the folder of the published files.", required=True)
_CAPTIONS_PICKLE = flags.DEFINE_string(
    "captions_pickle",
    None,
    "AttnGAN's captions.pickle, for a text encoder that was released with it: its vocabulary and token ids are used.",
)


def main(argv):
    """Reads the flags and converts."""
    del argv
    return converter_flags.run(cub.read_source(_CUB.value, _CAPTIONS_PICKLE.value))


if __name__ == "__main__":
    converter_flags.define("cub")
    flags.adopt_module_key_flags(converter_flags)  # so that --help shows them
    app.run(exit_code_main(main))
