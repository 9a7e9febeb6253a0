"""Moved: python -m ffgan_tf.import_attngan_encoder (installed: ffgan-import-attngan-encoder). This name still works."""

from ffgan_tf.import_attngan_encoder import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
