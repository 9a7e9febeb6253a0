"""python tools/verify_records.py --data=DIR

Checks every byte of a converted data set against its manifest, and the manifest against manifest.sha256. Names each
file that is changed, missing or not listed. Exit code 0: as written; 2: not.
"""

from absl import app, flags

from ffgan_tf.data.records import read_manifest
from ffgan_tf.data.verify import verify
from ffgan_tf.utils.errors import UserError, exit_code_main

_DATA = flags.DEFINE_string("data", None, "The data set's folder.", required=True)


def main(argv):
    """Verifies the folder and says what was found."""
    del argv
    faults = verify(_DATA.value)
    if faults:
        raise UserError(
            f"{_DATA.value} is not as it was written:\n  "
            + "\n  ".join(faults)
            + "\nFix: convert the data again, or copy the named files again from where they were made."
        )
    splits = read_manifest(_DATA.value)["splits"]
    counts = ", ".join(f"{part['images']:,} {split} images" for split, part in splits.items())
    print(f"{_DATA.value}: every byte as written ({counts})")
    return 0


if __name__ == "__main__":
    app.run(exit_code_main(main))
