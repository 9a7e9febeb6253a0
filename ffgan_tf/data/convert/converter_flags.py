"""The flags that all converters share, and the conversion by them."""

from collections.abc import Callable

from absl import flags

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.convert.conversion import Settings, Source, convert
from ffgan_tf.utils.errors import UserError


def define(name: str) -> None:
    """Defines the converters' common flags; `name` is the name of the default folder."""
    flags.DEFINE_string("out", f"data/records/{name}", "Folder to write: TFRecord shards, manifest, vocabulary.")
    flags.DEFINE_integer(
        "image_size",
        256,
        "Largest image side S to train on; images keep a shorter side of S*76/64 pixels.",
        lower_bound=8,
        upper_bound=4096,
    )
    flags.DEFINE_integer(
        "quality",
        0,
        "JPEG quality, with colour at full resolution; 0: 100 up to S = 128, 98 above. A JPEG that needs no change "
        "keeps its bytes.",
        0,
        100,
    )
    flags.DEFINE_string(
        "vocabulary",
        None,
        "Text encoder's folder, run or model (file, shipped name) in whose words the captions are to be read, to train "
        "with its text encoder; other words are left out and counted. Default: all words of these captions.",
    )
    flags.DEFINE_bool(
        "skip_bad", False, "Leave out unusable images and count them, instead of failing with the report."
    )
    flags.DEFINE_integer(
        "workers", 0, "Processes that decode and encode; 0: one a core. The result does not depend on it.", 0, 1024
    )
    flags.DEFINE_integer("images_per_shard", 1000, "Images in one TFRecord file.", 1, 1_000_000)
    flags.DEFINE_bool("overwrite", False, "Replace --out if it exists, once the new folder is complete.")


def run(source: Source, vocabulary_of: Callable[[str], Vocabulary]) -> int:
    """Converts `source` by the common flags, prints the counts and returns the exit code.

    `vocabulary_of`: what --vocabulary names → the vocabulary.
    """
    values = flags.FLAGS
    if values.vocabulary:
        if source.vocabulary:
            raise UserError("--vocabulary and --captions_pickle exclude each other. Fix: leave one of the two out.")
        source.vocabulary = vocabulary_of(values.vocabulary)
    manifest = convert(
        source,
        values.out,
        Settings(
            values.image_size,
            values.quality,
            values.skip_bad,
            values.workers,
            values.images_per_shard,
            values.overwrite,
        ),
    )
    for split, part in manifest["splits"].items():
        size = sum(shard["bytes"] for shard in part["shards"]) / 1e6
        print(
            f"{split}: {part['images']:,} images, {part['captions']:,} captions, {part['classes']} classes, "
            f"{len(part['shards'])} shards, {size:,.1f} MB"
        )
    print(f"vocabulary: {manifest['vocabulary']['words']:,} words ({manifest['vocabulary']['source']})")
    print(f"wrote {values.out}")
    return 0
