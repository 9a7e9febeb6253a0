"""Trains a text encoder:   python -m ffgan_tf.train_damsm --flagfile=experiments/damsm_cub.cfg

For data (or a vocabulary) that no published encoder fits. The recipe is a flag file; flags on the command line beat it.
Everything goes into --run: config.json, checkpoints/, tensorboard/, samples/ (where the words look), log.jsonl, and
text_encoder/, the best so far, which the GAN takes with --text_encoder=RUN/text_encoder. The same command again, or
--run=DIR alone, continues where the run stopped; Ctrl-C and SIGTERM save first and end with exit code 0. Exit codes: 0
done or stopped, 2 something is yours to mend.
"""

from absl import app, flags

from ffgan_tf import config as configs
from ffgan_tf.damsm_config import DamsmConfig
from ffgan_tf.utils.errors import UserError, exit_code_main


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", "Folder of the run: made by the first command, continued by the next.")
    flags.DEFINE_boolean("allow_config_change", False, "Continue the run with settings other than those it was started "
                         "with.")
    configs.define_flags(DamsmConfig)


def main(argv: list[str]) -> int:
    """Settings first, then the loop: a mistake in a flag is told before TensorFlow is loaded."""
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. See python -m ffgan_tf.train_damsm --help")
    run = flags.FLAGS.run
    if not run:
        raise UserError("--run is missing: the folder to train in, such as --run=runs/damsm_birds. The recipes in "
                        "experiments/ name one: --flagfile=experiments/damsm_demo.cfg")
    config, changed = configs.resolve(DamsmConfig, run, flags.FLAGS.allow_config_change)
    if not config.data:
        raise UserError("--data is missing: the folder of a converted data set. Mend: tools/make_demo_dataset.py and "
                        "tools/convert_cub.py make one.")
    from ffgan_tf.data import records
    records.read_manifest(config.data)  # before the run's folder is made

    from ffgan_tf.training.lock import run_lock
    with run_lock(run):
        for name, (was, now) in changed.items():
            print(f"--{name}: {was!r} before, {now!r} from here on", flush=True)
        from ffgan_tf.training.damsm_loop import train
        return train(config, run)


if __name__ == "__main__":
    define_flags()
    app.run(exit_code_main(main), flags_parser=configs.parse_flags)
