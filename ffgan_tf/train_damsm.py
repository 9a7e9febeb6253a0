"""Trains a text encoder:   python -m ffgan_tf.train_damsm --flagfile=experiments/damsm_cub.cfg

For data (or a vocabulary) that no published encoder fits. The recipe is a flag file; flags on the command line override
it. Everything goes into --run: config.json, checkpoints/, tensorboard/, samples/ (the words' attention), log.jsonl, and
the best encoders so far: text_encoder/, for the GAN's --text_encoder=RUN/text_encoder, and image_encoder/. The same
command again, or --run=DIR alone, continues where the run stopped (and writes both encoders again if they do not belong
together); Ctrl-C and SIGTERM save first and end with exit code 0. Exit codes: 0 done or stopped, 2 something is for you
to fix.
"""

from ffgan_tf.config import DamsmConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.training import start


def main(argv: list[str]) -> int:
    """Settings and lock first, then the loop."""
    del argv
    with start.opened_run(DamsmConfig, "runs/damsm_birds", "experiments/damsm_demo.cfg") as (config, run):
        from ffgan_tf.training.damsm_loop import train  # TensorFlow, once the flags are known to be right

        return train(config, run)


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    start.define_flags(DamsmConfig)


def cli() -> None:
    """The command ffgan-train-damsm."""
    run_command(main, define_flags)


if __name__ == "__main__":
    cli()
