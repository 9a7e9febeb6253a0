"""What the loop makes of a step's failure."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.training.diagnose import check_finite
from ffgan_tf.training.gan_loop import explained, skipped
from ffgan_tf.training.gan_step import METRICS
from ffgan_tf.utils.errors import UserError

CONFIG = TrainConfig(batch=20, data="data/birds")


def test_float16_may_leave_steps_out_while_its_loss_scale_can_fall():
    metrics = np.ones([3, len(METRICS)], np.float32)
    metrics[:, METRICS.index("grad_norm/g")] = metrics[1, METRICS.index("loss_g/kl")] = np.inf
    metrics[:2, METRICS.index("loss_scale/g")] = 2**15
    found = skipped(metrics)
    assert np.argwhere(found & ~np.isfinite(metrics)).tolist() == [[k, METRICS.index("grad_norm/g")] for k in (0, 1)]
    with pytest.raises(UserError, match="step 2: loss_g/kl is inf"):
        check_finite(metrics, METRICS, 1, None, "mend", excused=found)


def test_a_batch_of_one_class():
    with pytest.raises(UserError, match="a batch of 20 pictures was of one class only"), explained(CONFIG):
        losses.mismatch_index(tf.constant([4, 4, 4]))


def test_a_damaged_picture():
    with pytest.raises(UserError, match="--data=data/birds: a picture cannot be decoded.*verify_records"):
        with explained(CONFIG):
            tf.image.decode_and_crop_jpeg(b"\xff\xd8\xff\xe0 no picture", [0, 0, 8, 8])


def test_out_of_memory_names_a_batch_to_try():
    with pytest.raises(UserError, match="out of memory at --batch=20. Mend: --batch=10 "), explained(CONFIG):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[20,256,256,64]")


def test_mistakes_of_our_own_keep_their_traceback():
    with pytest.raises(tf.errors.InvalidArgumentError), explained(CONFIG):
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
        with explained(TrainConfig(strategy="multi_worker")):
            raise lost
    with pytest.raises(tf.errors.UnavailableError), explained(CONFIG):
        raise lost
