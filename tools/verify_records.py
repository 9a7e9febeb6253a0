"""Moved: python -m ffgan_tf.verify_records (installed: ffgan-verify-records). This name still works."""

from ffgan_tf.verify_records import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
