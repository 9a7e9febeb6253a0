"""How many parameters a run's networks have, read from its newest checkpoint without building them."""

import math
from collections.abc import Mapping, Sequence

from ffgan_tf.reporting.runs import RunRecord

STATISTICS = ("moving_mean", "moving_variance")  # of batch norm: kept, not trained
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def parameter_counts(run: RunRecord) -> dict[str, int]:
    """Trained values of the `generator`, the `discriminator` and the `text encoder`; {} without a readable checkpoint.

    The moving averages of batch norm, the generator's moving average and the optimisers' state do not count.
    """
    import tensorflow as tf

    from ffgan_tf.run.checkpoints import Checkpoints

    if not run.steps:
        return {}
    state = Checkpoints(run.folder / "checkpoints").path(run.steps[-1]) / "state"
    try:
        shapes = tf.train.load_checkpoint(str(state)).get_variable_to_shape_map()
    except (ValueError, tf.errors.OpError):
        return {}
    return count(shapes)


def count(shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """`parameter_counts` of a checkpoint's {name: shape}."""
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        network = name.partition("/")[0]
        if name.endswith(VALUE) and ".OPTIMIZER_SLOT" not in name and not any(part in name for part in STATISTICS):
            found[network] = found.get(network, 0) + math.prod(shape)
    generator = found.get("generator", found.get("ema"))  # the average alone is what a run to sample from has
    discriminators = sum(number for network, number in found.items() if network.startswith("discriminator"))
    counts = {"generator": generator, "discriminator": discriminators, "text encoder": found.get("text_encoder")}
    return {name: number for name, number in counts.items() if number}
