"""python tools/make_demo_dataset.py --out=demo_data/birds

Renders the demo data set: drawn birds with ten captions each, in the layout in which CUB is published, so that it goes
through tools/convert_cub.py like CUB itself. No download. Train and test classes are disjoint. Beside it lie
rendered.json (every parameter of every image) and colours.csv (the body's colour, for ffgan_tf.colour_agreement).
The same seed gives the same bytes, under the same versions of NumPy and Pillow.
"""

from absl import app, flags

from ffgan_tf.demo.birds import make_demo_dataset
from ffgan_tf.utils.errors import exit_code_main

_OUT = flags.DEFINE_string("out", None, "Folder to make; must not exist yet.", required=True)
_SEED = flags.DEFINE_integer("seed", 0, "Everything random comes from it.", lower_bound=0)
_TRAIN = flags.DEFINE_integer("train_classes", 150, "Species to train on, as many as CUB has.", lower_bound=1)
_TEST = flags.DEFINE_integer("test_classes", 50, "Species to test on; 8 or more show every body colour.", lower_bound=1)
_IMAGES = flags.DEFINE_integer("images_per_class", 12, "Images of each species.", lower_bound=1)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace an older demo data set at --out.")


def main(argv) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"unknown argument {argv[1]!r}")
    counts = make_demo_dataset(_OUT.value, _SEED.value, _TRAIN.value, _TEST.value, _IMAGES.value, _OVERWRITE.value)
    print(f"{_OUT.value}: {counts['train']:,} train and {counts['test']:,} test images")
    return 0


if __name__ == "__main__":
    app.run(exit_code_main(main))
