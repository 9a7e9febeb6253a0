"""Moved: python -m ffgan_tf.convert_folder (installed: ffgan-convert-folder). This name still works."""

from ffgan_tf.convert_folder import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
