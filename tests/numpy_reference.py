"""The networks of docs/model.md sections 1 to 4 in plain NumPy, float64, each operation written out.

Nothing is rearranged for speed: maps are upsampled before they are convolved, vectors are tiled and concatenated, the
sums of Eq. 9 are three terms. Weights are read by attribute from the Keras models. The order of channels inside a
concatenation is free; the models put I_s last.
"""

import numpy as np

BN_EPSILON = 1e-5


def array(weight) -> np.ndarray:
    """A variable's value in float64."""
    return np.asarray(weight.numpy(), np.float64)


def sigmoid(x):
    """1 / (1 + e^−x), without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def glu(x):
    """First half of the channels times the sigmoid of the second."""
    half = x.shape[-1] // 2
    return x[..., :half] * sigmoid(x[..., half:])


def leaky_relu(x):
    """Slope 0.2 below zero, as the float32 number that TensorFlow keeps it in."""
    return np.where(x > 0, x, np.float64(np.float32(0.2)) * x)


def conv2d(x, kernel, stride=1):
    """x (B, H, W, C) with kernel (k, k, C, D), TensorFlow's SAME padding: zeros, the odd one after the map."""
    size, out = kernel.shape[0], [-(-n // stride) for n in x.shape[1:3]]
    pads = [max((m - 1) * stride + size - n, 0) for m, n in zip(out, x.shape[1:3])]
    padded = np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)])
    y = np.zeros((x.shape[0], *out, kernel.shape[3]))
    for i in range(size):
        for j in range(size):
            y += padded[:, i : i + stride * out[0] : stride, j : j + stride * out[1] : stride] @ kernel[i, j]
    return y


def conv(x, layer, stride=1):
    """A convolution layer without bias."""
    return conv2d(x, array(layer.kernel), stride)


def batch_norm(x, layer, training=False):
    """Moving statistics at inference; the batch's own mean and biased variance, over all but channels, in training."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = (
        (x.mean(axes), x.var(axes)) if training else (array(layer.moving_mean), array(layer.moving_variance))
    )
    return array(layer.gamma) * (x - mean) / np.sqrt(variance + BN_EPSILON) + array(layer.beta)


def nearest_up(x):
    """Each pixel four times."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def tile(vector, like):
    """(B, C) → (B, H, W, C)."""
    return np.tile(vector[:, None, None, :], (1, *like.shape[1:3], 1))


def up(x, layer, training=False):
    """nearest ×2 → conv3×3 → BN → GLU."""
    return glu(batch_norm(conv(nearest_up(x), layer.conv), layer.norm, training))


def residual(x, layer, training=False):
    """conv3×3 → BN → GLU → conv3×3 → BN → + x."""
    y = glu(batch_norm(conv(x, layer.conv1), layer.norm1, training))
    return x + batch_norm(conv(y, layer.conv2), layer.norm2, training)


def dense_block(x, vector, layer, training=False):
    """H_dense of [x, tiled vector]; every convolution sees [x, the new maps so far, tiled vector]."""
    tiled = tile(vector, x)
    for convolution, norm in zip(layer.convs, layer.norms):
        new = glu(batch_norm(conv(np.concatenate([x, tiled], -1), convolution), norm, training))
        x = np.concatenate([x, new], -1)
    return conv(np.concatenate([x, tiled], -1), layer.join)


def residual_stack(x, vector, layer, training=False):
    """Residual blocks on [x, tiled vector]."""
    x = np.concatenate([x, tile(vector, x)], -1)
    for number, (norm, back, back_norm) in enumerate(zip(layer.wide_norms, layer.back, layer.back_norms)):
        wide = layer.wide[number - 1] if number else layer.first
        y = glu(batch_norm(conv(x, wide), norm, training))
        x = x + batch_norm(conv(y, back), back_norm, training)
    return x


def attention(features, words, mask, kernel):
    """A_j, one pixel of one image at a time. Returns I_w (B, H, W, C) and the maps (B, H, W, T)."""
    context, maps = np.zeros(features.shape), np.zeros((*features.shape[:3], words.shape[1]))
    for b, h, w in np.ndindex(features.shape[:3]):
        projected = words[b] @ kernel
        real = np.flatnonzero(mask[b])
        exponentials = np.exp(projected[real] @ features[b, h, w])
        maps[b, h, w, real] = exponentials / exponentials.sum()
        context[b, h, w] = maps[b, h, w] @ projected
    return context, maps


def lstm(x, layer):
    """One sequence x (T, in) through Keras's weights, gates i, f, c, o. Returns all states (T, units)."""
    kernel, recurrent, bias = (array(weight) for weight in layer.cell.weights)
    h = c = np.zeros(recurrent.shape[0])
    states = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


def text_encoder(tokens, lengths, model):
    """φ: tokens (B, T), lengths (B,) → s (B, d), e (B, T, d), each sentence by itself and without its padding."""
    table, units = array(model.embedding.embeddings), model.forward.units
    s, e = np.zeros((len(tokens), 2 * units)), np.zeros((*tokens.shape, 2 * units))
    for b, n in enumerate(lengths):
        x = table[tokens[b, :n]]
        ahead, behind = lstm(x, model.forward), lstm(x[::-1], model.backward)
        e[b, :n] = np.concatenate([ahead, behind[::-1]], -1)
        s[b] = np.concatenate([ahead[-1], behind[-1]])
    return s, e


def augment(sentence, epsilon, layer):
    """F_ca: I_s, μ, log σ²."""
    if layer.normalise:
        sentence = sentence / np.sqrt((sentence**2).mean(-1, keepdims=True))
    h = glu(sentence @ array(layer.linear.kernel) + array(layer.linear.bias))
    mu, log_var = np.split(h, 2, axis=-1)
    return mu + np.sqrt(np.exp(log_var)) * epsilon, mu, log_var


def pyramid(x, layer, training=False):
    """P(x): U-shaped; one stride-2 level a kernel, refined, then upsampled and summed; back at x's size and width."""
    levels = []
    y = x
    for down, refine in zip(layer.down, layer.refine):
        y = np.maximum(batch_norm(conv(y, down.conv, 2), down.norm, training), 0)
        levels.append(np.maximum(batch_norm(conv(y, refine.conv), refine.norm, training), 0))
    y = levels[-1]
    for level in levels[-2::-1]:
        y = nearest_up(y) + level
    return batch_norm(conv(nearest_up(y), layer.join), layer.norm, training)


def fpam(x, layer, training=False):
    """x + conv1×1(x) ⊙ P(x) + the global branch."""
    pooled = conv(x.mean((1, 2), keepdims=True), layer.pooled)
    return x + conv(x, layer.own) * pyramid(x, layer.pyramid, training) + pooled


def bilinear_matrix(n_in, n_out):
    """(n_out, n_in) weights of bilinear resizing, pixel centres at (i + ½) / n, clamped at the border."""
    at = np.clip((np.arange(n_out) + 0.5) * n_in / n_out - 0.5, 0, n_in - 1)
    low = np.floor(at).astype(int)
    matrix = np.zeros((n_out, n_in))
    matrix[np.arange(n_out), low] += 1 - (at - low)
    matrix[np.arange(n_out), np.minimum(low + 1, n_in - 1)] += at - low
    return matrix


def spp(x, layer):
    """Averages over 1, 2, 4, 8 bins a side → 1×1 → bilinear to x's size; with x concatenated → 1×1."""
    batch, size, _, channels = x.shape
    branches = [x]
    for bins, convolution in zip((1, 2, 4, 8), layer.convs):
        pooled = x.reshape(batch, bins, size // bins, bins, size // bins, channels).mean((2, 4))
        matrix = bilinear_matrix(bins, size)
        branches.append(np.einsum("hi,wj,bijc->bhwc", matrix, matrix, conv(pooled, convolution)))
    return conv(np.concatenate(branches, -1), layer.join)


def text_pyramid(x, condition, layer, kind, training=False):
    """[x, I_s tiled] → 1×1 → res → fpam, spp or none."""
    x = residual(conv(np.concatenate([x, tile(condition, x)], -1), layer.join), layer.residual, training)
    return {"fpam": lambda: fpam(x, layer.pyramid, training), "spp": lambda: spp(x, layer.pyramid), "none": lambda: x}[
        kind
    ]()


def stage1(condition, noise, layer, kind, training=False):
    """H1: [I_s, z] → F1."""
    x = glu(batch_norm(np.concatenate([condition, noise], -1) @ array(layer.fc.kernel), layer.fc_norm, training))
    x = x.reshape(len(x), 4, 4, -1)
    for block in layer.ups:
        x = up(x, block, training)
    x = text_pyramid(x, condition, layer.text, kind, training)
    for block in layer.tail:
        x = up(x, block, training)
    return x if layer.narrow is None else conv(x, layer.narrow)


def stage(features, condition, context, layer, training=False):
    """Eq. 7, 8: H(H_dense(F_d) + F_d), F_d = [F, I_w, I_s]."""
    maps = features if context is None else np.concatenate([features, context], -1)
    if layer.dense is None:
        return up(residual_stack(maps, condition, layer.residual, training), layer.up, training)
    f_d = np.concatenate([maps, tile(condition, features)], -1)
    return up(dense_block(maps, condition, layer.dense, training) + f_d, layer.up, training)


def lateral(x, layer):
    """H_L: upsample, then 1×1."""
    return conv(nearest_up(x), layer.conv)


def generator(model, config, sentence, words, mask, noise, epsilon, training=False):
    """The whole generator: a dictionary of everything it makes on the way."""
    condition, mu, log_var = augment(sentence, epsilon, model.augment)
    f1 = stage1(condition, noise, model.stage1, config.pyramid, training)
    context1 = maps1 = context2 = maps2 = None
    if config.word_attention:
        context1, maps1 = attention(f1, words, mask, array(model.attend1.project.kernel))
    f2 = f2f = stage(f1, condition, context1, model.stage2, training)
    if config.fusion != "none":
        f1_up = lateral(f1, model.lateral1)
        f2f = np.concatenate([f2, f1_up], -1) if config.fusion == "concat" else f2 + f1_up
    three, f3, f3f = config.generator_stages == 3, None, None
    if three:
        query = f2f if config.attention_query == "f2f" else f2
        if config.word_attention:
            context2, maps2 = attention(query, words, mask, array(model.attend2.project.kernel))
        f3 = f3f = stage(f2f, condition, context2, model.stage3, training)
    if three and config.fusion != "none":
        parts = [f3, lateral(f2, model.lateral2), lateral(f1_up, model.lateral2)]
        f3f = np.concatenate(parts, -1) if config.fusion == "concat" else sum(parts)
    heads = [*model.small_heads, model.to_image]
    maps = [f1, f2f, f3f] if three else [f1, f2f]
    for block in model.refine:
        maps[-1] = residual(maps[-1], block, training)
    if model.enlarged:
        matrix = bilinear_matrix(maps[-1].shape[1], 2 * maps[-1].shape[1])
        maps[-1] = np.einsum("ih,jw,bhwc->bijc", matrix, matrix, maps[-1])
    for block in model.enlarged:
        maps[-1] = residual(maps[-1], block, training)
    images = [np.tanh(conv(x, head)) for head, x in zip(heads, maps[-len(heads) :])]
    return {
        "image": images[-1],
        "images": images,
        "condition": condition,
        "mu": mu,
        "log_var": log_var,
        "A_1": maps1,
        "A_2": maps2,
        "F1": f1,
        "F2": f2,
        "F2f": f2f,
        "F3": f3,
        "F3f": f3f,
    }


def conv_norm_leaky(x, layer, stride=1, training=False):
    """Convolution → BN, if the layer has one → LeakyReLU."""
    x = conv(x, layer.conv, stride)
    return leaky_relu(x if layer.norm is None else batch_norm(x, layer.norm, training))


def logit(x, layer):
    """A 4×4 convolution over the 4×4 map: one number an image."""
    kernel = array(layer.dense.kernel).reshape(4, 4, x.shape[-1])
    return np.einsum("bhwc,hwc->b", x, kernel) + array(layer.dense.bias)[0]


def discriminator(model, image, condition, training=False):
    """Logits of the unconditional and the conditional head, each (B,)."""
    x, downs = image, int(np.log2(image.shape[1] // 4))
    for i, layer in enumerate(model.trunk):
        x = conv_norm_leaky(x, layer, 2 if i < downs else 1, training)
    joint = conv_norm_leaky(np.concatenate([x, tile(condition, x)], -1), model.joint, 1, training)
    return logit(x, model.unconditional_logit), logit(joint, model.conditional_logit)
