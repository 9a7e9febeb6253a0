"""Checks that a converted data set is unchanged:   python -m ffgan_tf.verify_records --data=DIR

Compares every byte with the manifest, and the manifest with manifest.sha256. Names each file that is changed, missing
or not listed. Exit codes: 0 unchanged, 2 changed.
"""

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.data.problems import capped
from ffgan_tf.data.records import read_manifest
from ffgan_tf.data.verify import verify
from ffgan_tf.utils.errors import UserError


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("data", None, "The data set's folder.")


def main(argv: list[str]) -> int:
    """Verifies the folder and prints the result."""
    del argv
    data = flags.FLAGS.data
    faults = verify(data)
    if faults:
        raise UserError(
            f"{data} is not as it was written:\n  "
            + "\n  ".join(capped(faults, 50))
            + "\nFix: convert the data again, or copy the named files again from where they were made."
        )
    splits = read_manifest(data)["splits"]
    counts = ", ".join(f"{part['images']:,} {split} images" for split, part in splits.items())
    print(f"{data}: every byte as written ({counts})")
    return 0


def cli() -> None:
    """The command ffgan-verify-records."""
    run_command(main, define_flags, required=["data"])


if __name__ == "__main__":
    cli()
