"""Moved: python -m ffgan_tf.make_demo_dataset (installed: ffgan-make-demo-dataset). This name still works."""

from ffgan_tf.make_demo_dataset import cli

if __name__ == "__main__":  # worker processes import this file
    cli()
