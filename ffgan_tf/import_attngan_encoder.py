"""Imports AttnGAN's released text encoder:

    python -m ffgan_tf.import_attngan_encoder text_encoder200.pth captions.pickle --out=DIR

Makes a text encoder for --text_encoder=DIR from AttnGAN's weights and their vocabulary, both in
AttnGAN's bird archive. Needs no PyTorch, and executes nothing in the two files. The records must have the same
vocabulary: ffgan_tf.convert_cub --captions_pickle=captions.pickle. Exit codes: 0 done, 2 something is for you to fix.
"""

from pathlib import Path

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.utils.errors import UserError


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("out", None, "Folder to write the text encoder to.")
    flags.DEFINE_boolean("overwrite", False, "Replace a text encoder in that folder.")


def main(argv: list[str]) -> int:
    """Reads, checks and writes."""
    weights, captions = argv[1:]
    out = Path(flags.FLAGS.out)
    if out.exists() and not (flags.FLAGS.overwrite and (out / "encoder.json").is_file()):
        raise UserError(
            f"--out={out} is there already. Fix: take another folder, or --overwrite if it is a text encoder's."
        )
    from ffgan_tf.data.convert.attngan_captions import read_pickled_captions
    from ffgan_tf.run.attngan_import import import_text_encoder
    from ffgan_tf.run.encoder_files import save_text_encoder
    from ffgan_tf.utils.files import sha256_file

    vocabulary = read_pickled_captions(captions).vocabulary
    encoder = import_text_encoder(weights, vocabulary, captions)
    save_text_encoder(
        out,
        encoder,
        vocabulary,
        {
            "tool": "import_attngan_encoder",
            "weights": Path(weights).name,
            "weights_sha256": sha256_file(weights),
            "captions": Path(captions).name,
            "captions_sha256": sha256_file(captions),
        },
    )
    print(
        f"{out}: a text encoder of {len(vocabulary):,} words. Use: python -m ffgan_tf.train --text_encoder={out} … "
        f"on records of ffgan_tf.convert_cub --captions_pickle={captions}"
    )
    return 0


def cli() -> None:
    """The command ffgan-import-attngan-encoder."""
    run_command(
        main,
        define_flags,
        required=["out"],
        arguments=2,
        wanted="two files are wanted: text_encoder200.pth captions.pickle.",
    )


if __name__ == "__main__":
    cli()
