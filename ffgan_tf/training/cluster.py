"""Which of several workers this process is. Apart from `distribution`, so that it is known before TensorFlow is
loaded."""

import json
import os

from ffgan_tf.utils.errors import UserError


def worker_rank() -> tuple[int, int]:
    """This worker's number and how many there are, by TF_CONFIG; (0, 1) without it.

    Raises UserError where TF_CONFIG is not what tf.distribute reads.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        found = json.loads(text or "{}")
        workers = [
            (kind, i) for kind in ("chief", "worker") for i in range(len(found.get("cluster", {}).get(kind, [])))
        ]
        if not workers:
            return 0, 1
        return workers.index((found["task"]["type"], int(found["task"]["index"]))), len(workers)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'TF_CONFIG={text}: not of the form {{"cluster": {{"worker": ["host:port", …]}}, "task": '
            f'{{"type": "worker", "index": 0}}}} ({error!r}).'
        ) from None
