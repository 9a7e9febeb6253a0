"""Trains the GAN:   python -m ffgan_tf.train --flagfile=experiments/cub.cfg

The recipe is a flag file; flags on the command line override it. Everything goes into --run: config.json, checkpoints/,
tensorboard/, samples/, log.jsonl. The same command again, or --run=DIR alone, continues where the run stopped; Ctrl-C
and SIGTERM save first and end with exit code 0. Exit codes: 0 done or stopped, 2 something is for you to fix.
"""

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.training import start


def main(argv: list[str]) -> int:
    """Settings and lock first, then the loop."""
    del argv
    with start.opened_run(TrainConfig, "runs/birds", "experiments/demo.cfg") as (config, run):
        from ffgan_tf.training.gan_loop import train  # TensorFlow, once the flags are known to be right

        return train(config, run)


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    start.define_flags(TrainConfig)


def cli() -> None:
    """The command ffgan-train."""
    run_command(main, define_flags)


if __name__ == "__main__":
    cli()
