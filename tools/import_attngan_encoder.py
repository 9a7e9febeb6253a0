"""python tools/import_attngan_encoder.py text_encoder200.pth captions.pickle --out=DIR

Makes a text encoder for --text_encoder=DIR of AttnGAN's released weights and the vocabulary that they came with, both
in AttnGAN's bird archive. PyTorch is not needed, and nothing in the two files is run. The records must have the same
vocabulary: convert_cub.py --captions_pickle=captions.pickle.
"""

from pathlib import Path

from absl import app, flags

from ffgan_tf.utils.errors import UserError, exit_code_main

_OUT = flags.DEFINE_string("out", None, "Folder to make of the text encoder.", required=True)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace a text encoder that is there already.")


def main(argv):
    """Reads, checks, writes."""
    if len(argv) != 3:
        raise UserError(
            "two files are wanted: python tools/import_attngan_encoder.py text_encoder200.pth captions.pickle --out=DIR"
        )
    weights, captions = argv[1:]
    out = Path(_OUT.value)
    if out.exists() and not (_OVERWRITE.value and (out / "encoder.json").is_file()):
        raise UserError(
            f"--out={out} is there already. Fix: take another folder, or --overwrite if it is a text encoder's."
        )
    from ffgan_tf.run.attngan_import import import_text_encoder
    from ffgan_tf.run.encoder_files import save_text_encoder
    from ffgan_tf.utils.files import sha256_file

    encoder, vocabulary = import_text_encoder(weights, captions)
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
        f"on records of convert_cub.py --captions_pickle={captions}"
    )
    return 0


if __name__ == "__main__":
    app.run(exit_code_main(main))
