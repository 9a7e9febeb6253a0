"""Moved: python -m ffgan_tf.convert_oxford102 (installed: ffgan-convert-oxford102). This name still works."""

from ffgan_tf.convert_oxford102 import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
