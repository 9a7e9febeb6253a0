"""Which settings a resumed run may change freely: those that say how long, how often, where and by which kernels, and
none that changes what is computed."""

import pytest

from ffgan_tf.config import DamsmConfig, TrainConfig

EITHER = {"data", "epochs", "steps", "max_minutes", "log_every", "keep_checkpoints"}
FREE = {
    TrainConfig: EITHER
    | {"sample_every", "checkpoint_every", "grid_captions"}  # how often, how many images
    | {"eval_every", "eval_samples", "eval_inception", "eval_inception_weights"}  # judged by
    | {"trunk_weights"}  # where the file lies; its digest must be the image encoder's
    | {"refuse_oversize"}  # starts or not
    | {"init_from", "init_steps"}  # read before the first step alone
    | {"jit_compile", "steps_per_call"},  # the same mathematics, compiled otherwise
    DamsmConfig: EITHER
    | {"validate_every", "best_by", "colour_labels", "attention_images"}  # judged and shown
    | {"trunk_weights", "cache_dir"},  # where the files lie; the run has the weights' digest
}


@pytest.mark.parametrize("config_class", [TrainConfig, DamsmConfig])
def test_no_setting_that_changes_what_is_computed_may_change_on_resume(config_class):
    resumable = {field.name for _, field in config_class.fields() if field.metadata["resumable"]}
    assert resumable - FREE[config_class] == set()
    assert FREE[config_class] - resumable == set()
