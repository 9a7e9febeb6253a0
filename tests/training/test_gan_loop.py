"""What the loop makes of a step's failure."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.training.diagnose import check_finite
from ffgan_tf.training.gan_setup import excused_non_finite
from ffgan_tf.training.gan_step import METRICS
from ffgan_tf.training.step_errors import as_user_errors
from ffgan_tf.utils.errors import UserError

CONFIG = TrainConfig.of(batch=20, data="data/birds")


def test_float16_may_leave_steps_out_while_its_loss_scale_can_fall():
    metrics = np.ones([3, len(METRICS)], np.float32)
    metrics[:, METRICS.index("grad_norm/g")] = metrics[1, METRICS.index("loss_g/kl")] = np.inf
    metrics[:2, METRICS.index("loss_scale/g")] = 2**15
    found = excused_non_finite(metrics, METRICS)
    assert np.argwhere(found & ~np.isfinite(metrics)).tolist() == [[k, METRICS.index("grad_norm/g")] for k in (0, 1)]
    with pytest.raises(UserError, match="step 2: loss_g/kl is inf"):
        check_finite(metrics, METRICS, 1, None, "fix", excused=found)


def test_a_batch_of_one_class():
    with pytest.raises(UserError, match="a batch of 20 images was of one class only"), as_user_errors(CONFIG):
        losses.mismatch_index(tf.constant([4, 4, 4]))


def test_a_damaged_image():
    with pytest.raises(UserError, match="--data=data/birds: an image cannot be decoded.*verify_records"):
        with as_user_errors(CONFIG):
            tf.image.decode_and_crop_jpeg(b"\xff\xd8\xff\xe0 no image", [0, 0, 8, 8])


def test_out_of_memory_names_a_batch_to_try():
    with pytest.raises(UserError, match="out of memory at --batch=20. Fix: --batch=10 "), as_user_errors(CONFIG):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[20,256,256,64]")


def test_mistakes_of_our_own_keep_their_traceback():
    with pytest.raises(tf.errors.InvalidArgumentError), as_user_errors(CONFIG):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))


def test_a_lost_worker():
    lost = tf.errors.UnavailableError(
        None,
        None,
        "Graph execution error:\n\nDetected at node reduce\n"
        "Collective ops is aborted by: Connection reset by peer\nmore",
    )
    with pytest.raises(
        UserError, match=r"another worker is gone \(Collective.*reset by peer.* start all workers again"
    ):
        with as_user_errors(TrainConfig.of(strategy="multi_worker")):
            raise lost
    with pytest.raises(tf.errors.UnavailableError), as_user_errors(CONFIG):
        raise lost
