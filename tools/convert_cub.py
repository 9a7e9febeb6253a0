"""Moved: python -m ffgan_tf.convert_cub (installed: ffgan-convert-cub). This name still works."""

from ffgan_tf.convert_cub import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
