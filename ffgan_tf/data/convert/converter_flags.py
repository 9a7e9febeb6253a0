"""The flags that all converters share, and the conversion by them."""

from absl import flags

from ffgan_tf.data.convert.conversion import Settings, Source, convert


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
    flags.DEFINE_bool(
        "skip_bad", False, "Leave out unusable images and count them, instead of failing with the report."
    )
    flags.DEFINE_integer(
        "workers", 0, "Processes that decode and encode; 0: one a core. The result does not depend on it.", 0, 1024
    )
    flags.DEFINE_integer("images_per_shard", 1000, "Images in one TFRecord file.", 1, 1_000_000)
    flags.DEFINE_bool("overwrite", False, "Replace --out if it exists, once the new folder is complete.")


def run(source: Source) -> int:
    """Converts `source` by the common flags, prints the counts and returns the exit code."""
    values = flags.FLAGS
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
