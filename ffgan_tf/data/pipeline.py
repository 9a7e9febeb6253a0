"""Records → training batches. The order and every augmentation are pure functions of (seed, position).

A position counts samples from the start of training: step k of batch size B covers positions k·B … k·B + B − 1,
whatever the number of devices, so one integer is the pipeline's whole state. Encoded images stay in memory; only the
crop that is used gets decoded.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.data import records
from ffgan_tf.utils.errors import UserError

# Streams of randomness: the second word of the stateless seeds, so that no two uses share numbers.
ORDER, AUGMENT, CAPTION, WORDS, NOISE, DROPOUT, MORE_CAPTIONS, MORE_WORDS = range(8)


class Split(NamedTuple):
    """One split of a converted data set, in memory. N images of up to C captions of up to W words."""

    jpegs: tf.Tensor  # (N,) string
    height: np.ndarray  # (N,) int32, of the stored image
    width: np.ndarray  # (N,) int32
    classes: np.ndarray  # (N,) int32
    names: list[str]  # '<class>/<image>'
    texts: list[list[str]]
    tokens: np.ndarray  # (N, C, W) int32, padded with 0
    lengths: np.ndarray  # (N, C) int32; 0 where an image has fewer captions
    caption_counts: np.ndarray  # (N,) int32, captions of each image


def load_split(data_dir: str, split: str) -> Split:
    """Reads a whole split into memory. Raises UserError if the folder is damaged or not a converted data set."""
    items = list(records.read_split(data_dir, split))
    if not items:
        raise UserError(f"--data={data_dir}: its {split} split has no images. Fix: convert with images in both splits.")
    count = len(items)
    captions = np.array([len(item.tokens) for item in items], np.int32)
    longest = max(len(ids) for item in items for ids in item.tokens)
    lengths = np.zeros((count, captions.max()), np.int32)
    tokens = np.zeros((count, captions.max(), longest), np.int32)
    for i, item in enumerate(items):
        for j, ids in enumerate(item.tokens):
            tokens[i, j, : len(ids)] = ids
            lengths[i, j] = len(ids)
    with tf.device("CPU"):
        jpegs = tf.constant([item.encoded for item in items])
    return Split(
        jpegs,
        np.array([item.height for item in items], np.int32),
        np.array([item.width for item in items], np.int32),
        np.array([item.class_id for item in items], np.int32),
        [item.name for item in items],
        [list(item.texts) for item in items],
        tokens,
        lengths,
        captions,
    )


def seed_of(seed: int, stream: int, position: tf.Tensor) -> tf.Tensor:
    """Stateless seed (2,) int32 of a stream at a position. Positions below 2³¹ (CUB: 240,000 epochs) do not repeat."""
    # An odd multiplier spreads (seed, stream) over the first word; the generator mixes both words thoroughly.
    first = (seed * 2654435761 + stream * 40503) % (2**31 - 1)
    return tf.stack([tf.constant(first, tf.int32), tf.cast(position, tf.int32)])


def shuffled_index(position: tf.Tensor, count: int, seed: int) -> tf.Tensor:
    """Index of the image at a position, int64 scalar: each of `count` once an epoch, in a new order every epoch."""
    epoch, index = position // count, position % count
    key = tf.cast(seed_of(seed, ORDER, epoch), tf.uint32)
    return tf.random.experimental.index_shuffle(index, key, tf.cast(count - 1, tf.int64))


def crop_at(
    encoded: tf.Tensor,
    height: tf.Tensor,
    width: tf.Tensor,
    size: int,
    max_size: int,
    where: tf.Tensor,
    flip: tf.Tensor,
    whole: bool = False,
) -> tf.Tensor:
    """Decodes an S×S crop of a stored image, uint8 (S, S, 3).

    The stored shorter side is `max_size`·76/64. JPEG decoders can halve and quarter the size, so S = max_size, /2 or
    /4 sees the image at exactly S·76/64. `where` (2,) in [0, 1]: the crop's position from top to bottom and from left
    to right; `flip` scalar bool: mirrored. Decoding the crop alone makes training fast, but shifts the colours of its
    outermost columns slightly, since JPEG interpolates colour from neighbours; `whole` decodes everything first.
    """
    ratio = max_size // size
    height, width = (height + ratio - 1) // ratio, (width + ratio - 1) // ratio
    room = tf.cast(tf.stack([height, width]) - size, tf.float32)
    # floor(u·(room+1)) is uniform over the offsets; u = 1 would fall off the end.
    offset = tf.minimum(tf.cast(where * (room + 1), tf.int32), tf.cast(room, tf.int32))
    # The accurate DCT gives the pixels of Pillow and torch; TensorFlow's default is off by one level and no faster.
    if whole:
        image = tf.image.decode_jpeg(encoded, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")
        image = tf.slice(image, tf.concat([offset, [0]], 0), [size, size, 3])
    else:
        image = tf.image.decode_and_crop_jpeg(
            encoded, tf.concat([offset, [size, size]], 0), channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )
    # tf.reverse moves whole pixels; image[:, ::-1] moves single bytes, which costs three times as much as decoding.
    return tf.ensure_shape(tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image), [size, size, 3])


def pick_words(tokens: tf.Tensor, length: tf.Tensor, limit: int, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Limits a caption to `limit` words: a longer one keeps a random subset, in order (AttnGAN).

    `tokens` (W,) and `length` scalar → (limit,) padded with 0, and its length.
    """
    width = tokens.shape[0]
    if width <= limit:
        return tf.pad(tokens, [[0, limit - width]]), length
    draw = tf.random.stateless_uniform([width], seed)
    # Padding ranks last. Sorting the chosen indices keeps the words' order. A short caption keeps all its words.
    draw = tf.where(tf.range(width) < length, draw, 2.0)
    chosen = tf.sort(tf.argsort(draw)[:limit])
    chosen = tf.where(length > limit, chosen, tf.range(limit))
    return tf.gather(tokens, chosen), tf.minimum(length, limit)


def choose_captions(count: tf.Tensor, wanted: int, repeat: bool, seed: int, position: tf.Tensor) -> list[tf.Tensor]:
    """Which of an image's `count` captions (int32 scalar) are read at a position: `wanted` int32 scalars.

    All different as far as there are so many, then from the start again; with `repeat`, drawn one by one.
    """
    if wanted == 1:
        return [tf.random.stateless_uniform([], seed_of(seed, CAPTION, position), 0, count, tf.int32)]
    key = seed_of(seed, MORE_CAPTIONS, position)
    if repeat:
        return tf.unstack(tf.random.stateless_uniform([wanted], key, 0, count, tf.int32))
    places = [
        tf.random.experimental.index_shuffle(k % count, tf.cast(key, tf.uint32), count - 1) for k in range(wanted)
    ]
    return [tf.cast(place, tf.int32) for place in places]


def size_ratio(max_size: int, size: int, data_dir: str) -> int:
    """The stored size over S: 1, 2 or 4. Raises UserError for any other S."""
    if max_size % size or max_size // size not in (1, 2, 4):
        raise UserError(
            f"--image_size={size}: {data_dir} was converted for at most {max_size}, and serves that, its "
            f"half and its quarter. Fix: convert again with --image_size={size}."
        )
    return max_size // size


def training_batches(
    split: Split,
    *,
    max_size: int,
    image_size: int,
    batch: int,
    max_words: int,
    captions: int = 1,
    captions_repeat: bool = False,
    noise_dim: int,
    seed: int,
    start_step: int = 0,
    replica: int = 0,
    replicas: int = 1,
    split_by: int = 1,
    image_at: Callable[[tf.Tensor, tf.Tensor], Any] | None = None,
) -> tf.data.Dataset:
    """Endless training batches from `start_step` on.

    `batch` is the global batch; replica r of R gets its r-th contiguous part, so R replicas together see the samples
    of one. A worker with several devices gets its part in `split_by` elements, one for each device in turn.
    Each element is a dict: image (b, S, S, 3) uint8, tokens (b, max_words) int32, lengths (b,) int32, classes (b,)
    int32, index (b,) int32, noise (b, noise_dim) float32 ~ N(0, 1). `image_at(index, mirrored)` replaces the random
    crop, for example by cached features of the image.

    With `captions` K > 1, tokens (b, K, max_words) and lengths (b, K) are of K captions of the image, all different as
    far as it has so many, or with `captions_repeat` drawn one by one.
    """
    if batch % (replicas * split_by):
        raise UserError(f"--batch={batch} cannot be shared evenly by {replicas * split_by} replicas. Fix: a multiple.")
    count, share = len(split.names), batch // replicas
    tokens, lengths = tf.constant(split.tokens), tf.constant(split.lengths)
    heights, widths = tf.constant(split.height), tf.constant(split.width)
    caption_counts, classes = tf.constant(split.caption_counts), tf.constant(split.classes)

    def random_crop(index, draw):
        return crop_at(split.jpegs[index], heights[index], widths[index], image_size, max_size, draw[:2], draw[2] < 0.5)

    def captions_of(index, position):
        picked: list[tuple[tf.Tensor, tf.Tensor]] = []
        for which in choose_captions(caption_counts[index], captions, captions_repeat, seed, position):
            key = seed_of(seed, MORE_WORDS + len(picked) if picked else WORDS, position)
            words, length = pick_words(tokens[index, which], lengths[index, which], max_words, key)
            picked.append((tf.ensure_shape(words, [max_words]), length))
        return picked[0] if captions == 1 else tuple(map(tf.stack, zip(*picked)))

    @tf.autograph.experimental.do_not_convert  # no branch depends on a tensor; searching for one takes a second
    def sample(offset):
        position = (start_step + offset // share) * batch + replica * share + offset % share
        index = tf.cast(shuffled_index(position, count, seed), tf.int32)
        draw = tf.random.stateless_uniform([3], seed_of(seed, AUGMENT, position))
        image = image_at(index, draw[2] < 0.5) if image_at else random_crop(index, draw)
        words, length = captions_of(index, position)
        noise = tf.random.stateless_normal([noise_dim], seed_of(seed, NOISE, position))
        return {
            "image": image,
            "tokens": words,
            "lengths": length,
            "classes": classes[index],
            "index": index,
            "noise": noise,
        }

    data = tf.data.Dataset.range(np.iinfo(np.int64).max)
    data = data.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return data.batch(share // split_by, drop_remainder=True).prefetch(2 * split_by)


def centre_images(
    split: Split, *, max_size: int, image_size: int, batch: int, only: Sequence[int] | None = None
) -> tf.data.Dataset:
    """Every image of the split once, in order, in the form of evaluation: centre crop, no flip; (b, S, S, 3) uint8.

    `only`: the indices of the images to read instead, in this order.
    """
    heights, widths = tf.constant(split.height), tf.constant(split.width)
    half, no_flip = tf.constant([0.5, 0.5]), tf.constant(False)

    @tf.autograph.experimental.do_not_convert
    def sample(index):
        return crop_at(split.jpegs[index], heights[index], widths[index], image_size, max_size, half, no_flip)

    indices = (
        tf.data.Dataset.range(len(split.names)) if only is None else tf.data.Dataset.from_tensor_slices(list(only))
    )
    data = indices.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return data.batch(batch).prefetch(2)


def centre_crops(split: Split, *, max_size: int, image_size: int, only: Sequence[int] | None = None) -> np.ndarray:
    """All that `centre_images` gives, at once: (N, S, S, 3) uint8."""
    batches = centre_images(split, max_size=max_size, image_size=image_size, batch=256, only=only)
    return np.concatenate([batch.numpy() for batch in batches])
