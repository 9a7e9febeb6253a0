"""Divergence: the first term that is not finite, its step, and the layer in which the first NaN or infinity arises."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ffgan_tf.compat import child_layers
from ffgan_tf.utils.errors import UserError


class _Found(Exception):
    """Ends the step at the first value that is not finite."""


def _named_layers(layer: tf.keras.layers.Layer, path: str) -> Iterator[tuple[str, tf.keras.layers.Layer]]:
    """The layer and all below it, each with its path of layer names."""
    yield path, layer
    for child in child_layers(layer):
        yield from _named_layers(child, f"{path}/{child.name}")


def _kind(value: Any) -> str | None:
    """`NaN` or `infinity` if the tensor has one, else None; integers and strings have none."""
    if isinstance(value, tf.IndexedSlices):
        value = value.values
    if not tf.is_tensor(value) or not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value))):
        return None
    return "NaN" if bool(tf.reduce_any(tf.math.is_nan(value))) else "infinity"


class _Watch:
    """Watches a step: layers' outputs as they are computed, then the gradients of their weights."""

    def __init__(self, modules: Iterable[tf.keras.layers.Layer]):
        self.first: str | None = None
        self.layers: dict[int, str] = {}
        self.weights: dict[int, tuple[str, str, tf.Variable]] = {}  # its path, its layer's, itself
        for module in modules:
            for path, layer in _named_layers(module, module.name):
                self.layers.setdefault(id(layer), path)
                # Not batch norm's moving statistics: the bad step has written them already, and training reads none.
                for weight in layer.trainable_weights:  # children come later, and know better
                    name = weight.name.split(":")[0].rpartition("/")[2]
                    self.weights[id(weight)] = f"{path}/{name}", path, weight
        self._calls: dict[str, int] = {}  # when a layer was called last

    def check_weights(self) -> None:
        for path, _, weight in self.weights.values():
            self._check(weight, "the weight {} holds {}", path)

    def output(self, layer: tf.keras.layers.Layer, outputs: Any) -> None:
        path = self.layers.get(id(layer))
        if path is not None:
            self._calls[path] = len(self._calls)
            for value in tf.nest.flatten(outputs):
                self._check(value, "{} gives {}", path)

    def gradients(self, sources: Any, gradients: Any) -> None:
        pairs = [
            (*self.weights[id(source)][:2], gradient)
            for source, gradient in zip(tf.nest.flatten(sources), tf.nest.flatten(gradients))
            if id(source) in self.weights
        ]
        # Backwards through the layers: a value that is not finite spreads to all gradients computed after it.
        for path, _, gradient in sorted(pairs, key=lambda pair: -self._calls.get(pair[1], -1)):
            self._check(gradient, "the gradient of {} holds {}", path)

    def _check(self, value: Any, words: str, path: str) -> None:
        kind = _kind(value)
        if kind:
            self.first = words.format(path, kind)  # Keras makes another exception of ours, with other words
            raise _Found


@contextlib.contextmanager
def _watched(watch: _Watch) -> Iterator[None]:
    """Runs everything eagerly and shows it to `watch`."""
    call, gradient = tf.keras.layers.Layer.__call__, tf.GradientTape.gradient

    def watched_call(layer, *args, **kwargs):
        outputs = call(layer, *args, **kwargs)
        watch.output(layer, outputs)
        return outputs

    def watched_gradient(tape, target, sources, *args, **kwargs):
        gradients = gradient(tape, target, sources, *args, **kwargs)
        watch.gradients(sources, gradients)
        return gradients

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    tf.keras.layers.Layer.__call__, tf.GradientTape.gradient = watched_call, watched_gradient
    try:
        yield
    finally:
        tf.keras.layers.Layer.__call__, tf.GradientTape.gradient = call, gradient
        tf.config.run_functions_eagerly(before)


def first_non_finite(modules: Iterable[tf.keras.layers.Layer], run_step: Callable[[], Any]) -> str | None:
    """Names the first tensor in a step that is not finite; None if all are.

    Checks the trainable weights of `modules` (Keras layers or models) first. Then `run_step()` runs eagerly, even if it
    is a `tf.function`: checks every output of every layer, inner layers before the outer ones, and the gradients of
    their weights from every `tf.GradientTape`, the last layer's first. The step ends at the first match, such as
    `generator/stage2/dense/conv3 gives NaN`, `the weight generator/stage1/fc/kernel holds NaN` or `the gradient of
    discriminator/down1/conv/kernel holds infinity`; its changes so far remain. Also None if the step needs too much
    memory this way, since nothing is fused.
    """
    watch = _Watch(modules)
    try:
        watch.check_weights()
        with _watched(watch):
            run_step()
    except (_Found, tf.errors.ResourceExhaustedError):
        pass
    return watch.first


def check_finite(
    metrics: np.ndarray,
    names: Sequence[str],
    first_step: int,
    last_checkpoint: int | None,
    fix: str,
    locate_non_finite: Callable[[int], str | None] = lambda step: None,
    excused: np.ndarray | None = None,
) -> None:
    """Raises UserError naming the first step and term that is not finite, and by `locate_non_finite` the layer.

    `metrics` (steps, len(names)), the first row of `first_step`; `excused`, of the same shape: entries that need not be
    finite.
    """
    wrong = ~np.isfinite(metrics)
    if excused is not None:
        wrong &= ~excused
    bad = np.argwhere(wrong)
    if not len(bad):
        return
    step, term = first_step + int(bad[0][0]), names[int(bad[0][1])]
    where = locate_non_finite(step)
    kept = (
        f"The checkpoint of step {last_checkpoint} is kept."
        if last_checkpoint is not None
        else "There was no checkpoint yet."
    )
    raise UserError(
        f"step {step}: {term} is {metrics[tuple(bad[0])]}{f' ({where})' if where else ''}; training has "
        f"diverged and stops. {kept} Fix: {fix}."
    )
