"""The families against their authors' PyTorch code, with exchanged weights, in float64: outputs, moving statistics and
the gradients of one step of each network. See `authors_code` for where their code comes from."""

import authors_code as theirs
import networks
import numpy as np
import pytest
import torch

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import blocks, build

BOUND = 1e-6
B, WIDTH, T, Z, C = 3, 8, 5, 7, 6
BCE = torch.nn.functional.binary_cross_entropy


def cost(logits: tf.Tensor, real: float) -> tf.Tensor:
    """The mean of softplus: binary cross-entropy on logits."""
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))


def their_cost(probabilities: torch.Tensor, real: float) -> torch.Tensor:
    return BCE(probabilities, torch.full_like(probabilities, real))


def discriminators(config: ModelConfig) -> list[tf.keras.Model]:
    """Shaken, in float64."""
    tf.keras.utils.set_random_seed(3)
    models = build.build_discriminators(config, "float64")
    for number, model in enumerate(models):
        networks.shake(model, number)
    return models


def real_images(config: ModelConfig) -> list[np.ndarray]:
    rng = np.random.default_rng(8)
    return [rng.uniform(-1, 1, (B, size, size, 3)) for size in config.sizes]


# ---------------------------------------------------------------- AttnGAN


def attngan_code():
    cfg = theirs.settings(
        CUDA=False,
        RNN_TYPE="LSTM",
        TEXT={"EMBEDDING_DIM": build.TEXT_DIM, "WORDS_NUM": T},
        GAN={"CONDITION_DIM": C, "Z_DIM": Z, "GF_DIM": WIDTH, "DF_DIM": WIDTH, "R_NUM": 2},
        TREE={"BRANCH_NUM": 3},
        TRAIN={"FLAG": True},
    )
    folder = theirs.clone("AttnGAN") / "code"
    attention = theirs.module(folder / "GlobalAttention.py", cfg)
    return theirs.module(folder / "model.py", cfg, GlobalAttention=attention), cfg


def with_epsilon(network: torch.nn.Module, epsilon: np.ndarray) -> None:
    """Their reparametrisation draws ε itself; here it is given."""
    drawn = theirs.tensor(epsilon)
    network.ca_net.reparametrize = lambda mu, logvar: drawn * torch.exp(0.5 * logvar) + mu


def attngan_pairs(ours, network, heads):
    pairs = [*theirs.augmentation(ours.augment, network.ca_net), *theirs.first_stage(ours.stage1, network.h_net1)]
    for stage, other in ((ours.stage2, network.h_net2), (ours.stage3, network.h_net3)):
        pairs.append((stage.attend.project.kernel, other.att.conv_context.weight, lambda v: v.T[:, :, None, None]))
        for block, residual in zip(stage.residuals, other.residual):
            pairs += theirs.residual(block, residual)
        pairs += theirs.up(stage.up, other.upsample)
    return pairs + [(head.kernel, other.img[0].weight, theirs.kernel) for head, other in zip(ours.heads, heads)]


def attngan_d_pairs(ours, network):
    conditional = network.COND_DNET
    pairs = theirs.trunk(ours, network) + [
        (ours.joint.conv.kernel, conditional.jointConv[0].weight, theirs.kernel),
        *theirs.batch_norm(ours.joint.norm, conditional.jointConv[1]),
        *theirs.logits(ours.conditional_logit, conditional.outlogits[0]),
    ]
    if ours.has_unconditional:
        pairs += theirs.logits(ours.unconditional_logit, network.UNCOND_DNET.outlogits[0])
    return pairs


def attngan_generator(family: str):
    """Ours and theirs with the same weights."""
    config = ModelConfig.of_family(family, ngf=WIDTH, ndf=WIDTH, z_dim=Z, c_dim=C)
    code, cfg = attngan_code()
    if family == "attndcgan":
        cfg.GAN.R_NUM = 0
    ours = networks.generator(config)
    network = (code.G_NET() if family == "attngan" else code.G_DCGAN()).double()
    heads = [network.img_net1, network.img_net2, network.img_net3] if family == "attngan" else [network.img_net]
    pairs = attngan_pairs(ours, network, heads)
    theirs.exchange(pairs, network)
    return config, code, ours, network, pairs


def attngan_call(network, inputs, padding: bool = False):
    with_epsilon(network, inputs["epsilon"])
    mask = torch.from_numpy(~inputs["mask"]) if padding else torch.zeros(inputs["mask"].shape, dtype=torch.bool)
    words = theirs.tensor(inputs["words"]).transpose(1, 2)
    return network(theirs.tensor(inputs["noise"]), theirs.tensor(inputs["sentence"]), words, mask)


@pytest.mark.parametrize("family", ["attngan", "attndcgan"])
def test_attngan_generator_at_inference(family, hold):
    """A padded caption too, one at a time: in a batch, their masks reach other samples."""
    config, _, ours, network, _ = attngan_generator(family)
    network.eval()
    inputs = networks.generator_inputs(config, lengths=(T, T, T))
    found, (images, attention, mu, log_var) = ours(**inputs), attngan_call(network, inputs)
    pairs = list(zip(found.images, map(theirs.image, images), strict=True))
    pairs += zip(found.attention, map(theirs.image, attention), strict=True)
    pairs += [(found.mu, mu.detach().numpy()), (found.log_var, log_var.detach().numpy())]
    hold("AttnGAN's code", f"{family}, G", "float64", max(theirs.apart(*pair) for pair in pairs), BOUND)
    inputs = networks.generator_inputs(config, lengths=(3,), padding=2)
    found, (images, attention, *_) = ours(**inputs), attngan_call(network, inputs, padding=True)
    pairs = [*zip(found.images, map(theirs.image, images)), *zip(found.attention, map(theirs.image, attention))]
    hold("AttnGAN's code", f"{family}, G, padded", "float64", max(theirs.apart(*pair) for pair in pairs), BOUND)


@pytest.mark.parametrize("family", ["attngan", "attndcgan"])
def test_one_step_of_attngan(family, hold):
    """L_D of each discriminator, then L_G through all of them, by the authors' weights of the terms."""
    config, code, ours, network, pairs = attngan_generator(family)
    judges = discriminators(config)
    kinds = [code.D_NET64, code.D_NET128, code.D_NET256][-len(judges) :]
    others = [kind(b_jcu=family == "attngan").double() for kind in kinds]
    d_pairs = [attngan_d_pairs(judge, other) for judge, other in zip(judges, others)]
    for own, other in zip(d_pairs, others):
        theirs.exchange(own, other)
    inputs = networks.generator_inputs(config, lengths=(T, T, T))
    sentence, reals = inputs["sentence"], real_images(config)

    def d_loss(judge, real, fake, condition):
        a, b = judge.features(real, training=True), judge.features(fake, training=True)
        terms = [
            cost(judge.conditional(a, condition, training=True), 1),
            cost(judge.conditional(b, condition, training=True), 0),
            cost(judge.conditional(a, np.roll(condition, -1, 0), training=True), 0),
        ]
        if not judge.has_unconditional:
            return terms[0] + (terms[1] + terms[2]) / 2
        return (terms[0] + cost(judge.unconditional(a), 1)) / 2 + (
            terms[1] + terms[2] + cost(judge.unconditional(b), 0)
        ) / 3

    def their_d_loss(judge, real, fake, condition):
        a, b = judge(real), judge(fake.detach())
        terms = [
            their_cost(judge.COND_DNET(a, condition), 1.0),
            their_cost(judge.COND_DNET(b, condition), 0.0),
            their_cost(judge.COND_DNET(a, torch.roll(condition, -1, 0)), 0.0),
        ]
        if judge.UNCOND_DNET is None:
            return terms[0] + (terms[1] + terms[2]) / 2
        return (terms[0] + their_cost(judge.UNCOND_DNET(a), 1.0)) / 2 + (
            terms[1] + terms[2] + their_cost(judge.UNCOND_DNET(b), 0.0)
        ) / 3

    with tf.GradientTape() as g_tape:
        made = ours(**inputs, training=True)
        with g_tape.stop_recording():
            for judge, own, real, fake in zip(judges, d_pairs, reals, made.images):
                with tf.GradientTape() as tape:
                    loss = d_loss(judge, real, fake, sentence)
                found = tape.gradient(loss, [pair[0] for pair in theirs.trainable(own)])
                own.append(found)
        g_loss = losses.kl_divergence(made.mu, made.log_var)
        for judge, fake in zip(judges, made.images):
            features = judge.features(fake, training=True)
            g_loss += cost(judge.conditional(features, sentence, training=True), 1)
            if judge.has_unconditional:
                g_loss += cost(judge.unconditional(features), 1)
    g_found = g_tape.gradient(g_loss, [pair[0] for pair in theirs.trainable(pairs)])

    images, _, mu, log_var = attngan_call(network, inputs)
    condition = theirs.tensor(sentence)
    for judge, other, own, real, fake in zip(judges, others, d_pairs, reals, images):
        gradients = own.pop()
        their_d_loss(other, theirs.tensor(real), fake, condition).backward()
        name = f"{family}, D at {judge.size}: gradients of a step"
        hold("AttnGAN's code", name, "float64", theirs.gradients_apart(gradients, own), BOUND)
    total = -0.5 * torch.mean(1 + log_var - mu**2 - torch.exp(log_var))
    for other, fake in zip(others, images):
        features = other(fake)
        total = total + their_cost(other.COND_DNET(features, condition), 1.0)
        if other.UNCOND_DNET is not None:
            total = total + their_cost(other.UNCOND_DNET(features), 1.0)
    total.backward()
    hold(
        "AttnGAN's code", f"{family}, G: gradients of a step", "float64", theirs.gradients_apart(g_found, pairs), BOUND
    )
    for own in (pairs, *d_pairs):
        hold("AttnGAN's code", f"{family}, moving statistics", "float64", theirs.moved_apart(own), BOUND)


# ---------------------------------------------------------------- StackGAN++


def stackgan_v2_networks():
    """Ours and theirs with the same weights: both generators, the discriminators, and the pairs of each."""
    cfg = theirs.settings(
        CUDA=False,
        TEXT={"DIMENSION": build.TEXT_DIM},
        GAN={"EMBEDDING_DIM": C, "Z_DIM": Z, "GF_DIM": WIDTH, "DF_DIM": WIDTH, "R_NUM": 2, "B_CONDITION": True},
        TREE={"BRANCH_NUM": 3},
    )
    code = theirs.module(theirs.clone("StackGAN-v2") / "code" / "model.py", cfg)
    # Their embedding is no bi-LSTM's: nothing scales it.
    config = ModelConfig.of_family("stackgan_v2", ngf=WIDTH, ndf=WIDTH, z_dim=Z, c_dim=C, normalise_sentence=False)
    ours, network = networks.generator(config), code.G_NET().double()
    pairs = [*theirs.augmentation(ours.augment, network.ca_net), *theirs.first_stage(ours.stage1, network.h_net1)]
    for stage, other in ((ours.stage2, network.h_net2), (ours.stage3, network.h_net3)):
        pairs += [
            (stage.joint.kernel, other.jointConv[0].weight, theirs.first_last(C)),
            *theirs.batch_norm(stage.joint_norm, other.jointConv[1]),
        ]
        for block, residual in zip(stage.residuals, other.residual, strict=True):
            pairs += theirs.residual(block, residual)
        pairs += theirs.up(stage.up, other.upsample)
    heads = (network.img_net1, network.img_net2, network.img_net3)
    pairs += [(head.kernel, other.img[0].weight, theirs.kernel) for head, other in zip(ours.heads, heads, strict=True)]
    theirs.exchange(pairs, network)

    judges = discriminators(config)
    others = [kind().double() for kind in (code.D_NET64, code.D_NET128, code.D_NET256)]
    d_pairs = []
    for judge, other in zip(judges, others, strict=True):
        d_pairs.append(
            [
                *theirs.trunk(judge, other),
                (judge.joint.conv.kernel, other.jointConv[0].weight, theirs.first_last(C)),
                *theirs.batch_norm(judge.joint.norm, other.jointConv[1]),
                *theirs.logits(judge.conditional_logit, other.logits[0]),
                *theirs.logits(judge.unconditional_logit, other.uncond_logits[0]),
            ]
        )
        theirs.exchange(d_pairs[-1], other)
    return config, ours, network, pairs, judges, others, d_pairs


def test_stackgan_v2_generator_at_inference(hold):
    config, ours, network, *_ = stackgan_v2_networks()
    network.eval()
    inputs = networks.generator_inputs(config)
    with_epsilon(network, inputs["epsilon"])
    images, mu, log_var = network(theirs.tensor(inputs["noise"]), theirs.tensor(inputs["sentence"]))
    found = ours(**inputs)
    pairs = list(zip(found.images, map(theirs.image, images), strict=True))
    pairs += [(found.mu, mu.detach().numpy()), (found.log_var, log_var.detach().numpy())]
    hold("StackGAN-v2's code", "G", "float64", max(theirs.apart(*pair) for pair in pairs), BOUND)


def test_one_step_of_stackgan_v2(hold):
    """Their L_D with the wrong images' unconditional target 1, the wrong images being the real ones in another order;
    L_G with μ not detached."""
    config, ours, network, pairs, judges, others, d_pairs = stackgan_v2_networks()
    inputs, reals = networks.generator_inputs(config), real_images(config)
    with_epsilon(network, inputs["epsilon"])
    images, their_mu, their_log_var = network(theirs.tensor(inputs["noise"]), theirs.tensor(inputs["sentence"]))
    with tf.GradientTape() as g_tape:
        made = ours(**inputs, training=True)
        g_loss = 2.0 * losses.kl_divergence(made.mu, made.log_var)
        with g_tape.stop_recording():
            for judge, other, own, real, fake, their_fake in zip(judges, others, d_pairs, reals, made.images, images):
                with tf.GradientTape() as tape:
                    a, b = judge.features(real, training=True), judge.features(fake, training=True)
                    mu = tf.stop_gradient(made.mu)
                    loss = (
                        cost(judge.conditional(a, mu, training=True), 1)
                        + cost(judge.conditional(a, tf.roll(mu, -1, 0), training=True), 0)
                        + cost(judge.conditional(b, mu, training=True), 0)
                        + 2 * cost(judge.unconditional(a), 1)
                        + cost(judge.unconditional(b), 0)
                    )
                found = tape.gradient(loss, [pair[0] for pair in theirs.trainable(own)])
                mu = their_mu.detach()
                t = theirs.tensor(real)
                real_logits, fake_logits = other(t, mu), other(their_fake.detach(), mu)
                wrong_logits = other(torch.roll(t, 1, 0), mu)
                total = sum(
                    their_cost(logits[0], c) + their_cost(logits[1], u)
                    for logits, c, u in ((real_logits, 1.0, 1.0), (wrong_logits, 0.0, 1.0), (fake_logits, 0.0, 0.0))
                )
                total.backward()
                name = f"D at {judge.size}: gradients of a step"
                hold("StackGAN-v2's code", name, "float64", theirs.gradients_apart(found, own), BOUND)
        for judge, fake in zip(judges, made.images):
            features = judge.features(fake, training=True)
            g_loss += cost(judge.conditional(features, made.mu, training=True), 1)
            g_loss += cost(judge.unconditional(features), 1)
    g_found = g_tape.gradient(g_loss, [pair[0] for pair in theirs.trainable(pairs)])
    total = -torch.mean(1 + their_log_var - their_mu**2 - torch.exp(their_log_var))
    for other, fake in zip(others, images):
        conditional, unconditional = other(fake, their_mu)
        total = total + their_cost(conditional, 1.0) + their_cost(unconditional, 1.0)
    total.backward()
    hold("StackGAN-v2's code", "G: gradients of a step", "float64", theirs.gradients_apart(g_found, pairs), BOUND)
    hold("StackGAN-v2's code", "G: moving statistics", "float64", theirs.moved_apart(pairs), BOUND)


# ---------------------------------------------------------------- DF-GAN


def affine_pairs(ours, network):
    pairs = []
    for hidden, output, name in zip(ours.hidden, ours.outputs, ("fc_gamma", "fc_beta")):
        first, second = getattr(network, name).linear1, getattr(network, name).linear2
        for layer, other in ((hidden, first), (output, second)):
            pairs += [(layer.kernel, other.weight, theirs.matrix), (layer.bias, other.bias, theirs.same)]
    return pairs


def biased(ours, other):
    return [(ours.kernel, other.weight, theirs.kernel), (ours.bias, other.bias, theirs.same)]


def dfgan_networks(size: int):
    """Ours and theirs with the same weights: generators, D, their D and its head, and the pairs of each."""
    code = theirs.module(theirs.clone("DF-GAN") / "code" / "models" / "GAN.py")
    config = ModelConfig.of_family("dfgan", image_size=size, ngf=WIDTH, ndf=WIDTH, z_dim=Z)
    ours, network = networks.generator(config), code.NetG(WIDTH, Z, build.TEXT_DIM, size, 3).double()
    rng = np.random.default_rng(5)
    for variable in ours.trainable_variables:
        if "_output" in variable.name and "kernel" in variable.name:  # they start at zero, where mistakes hide
            variable.assign(rng.normal(0, 0.3, variable.shape))
    change = theirs.first_map(8 * WIDTH, 1)
    pairs = [(ours.fc.kernel, network.fc.weight, change), (ours.fc.bias, network.fc.bias, change)]
    for block, other in zip(ours.blocks, network.GBlocks, strict=True):
        for fusion, fuse in ((block.fuse1, other.fuse1), (block.fuse2, other.fuse2)):
            for affine, name in zip(fusion.affines, ("affine0", "affine1")):
                pairs += affine_pairs(affine, getattr(fuse, name))
        pairs += [(block.conv1.kernel, other.c1.weight, theirs.kernel), (block.bias, other.c1.bias, theirs.same)]
        pairs += biased(block.conv2, other.c2)
        pairs += biased(block.shortcut, other.c_sc) if block.shortcut is not None else []
    pairs += biased(ours.to_image, network.to_rgb[1])
    theirs.exchange(pairs, network)

    judge = discriminators(config)[0]
    trunk, head = code.NetD(WIDTH, size, 3).double(), code.NetC(WIDTH, build.TEXT_DIM).double()
    d_pairs, unused = biased(judge.from_image, trunk.conv_img), []
    for block, other in zip(judge.blocks, trunk.DBlocks, strict=True):
        block.gamma.assign([0.7])  # it starts at zero
        d_pairs += [
            (block.conv1.kernel, other.conv_r[0].weight, theirs.kernel),
            (block.conv2.kernel, other.conv_r[2].weight, theirs.kernel),
            (block.gamma, other.gamma, theirs.same),
        ]
        if block.shortcut is None:  # they make one there, and do not call it
            unused += other.conv_s.parameters()
        else:
            d_pairs += biased(block.shortcut, other.conv_s)
    d_pairs += [
        (judge.joint.kernel, head.joint_conv[0].weight, theirs.kernel),
        (judge.conditional_logit.dense.kernel, head.joint_conv[2].weight, theirs.logit),
    ]
    theirs.exchange(d_pairs, trunk, head, unused=tuple(unused))
    return config, ours, network, pairs, judge, (trunk, head), d_pairs


@pytest.mark.parametrize("size", [64, 256])
def test_dfgan_generator(size, hold):
    config, ours, network, *_ = dfgan_networks(size)
    inputs = networks.generator_inputs(config)
    found = ours(**inputs).image
    expected = theirs.image(network(theirs.tensor(inputs["noise"]), theirs.tensor(inputs["sentence"])))
    assert expected.std() > 0.05
    hold("DF-GAN's code", f"G at {size}", "float64", theirs.apart(found, expected), BOUND)


@pytest.mark.parametrize("size", [64, 256])
def test_one_step_of_dfgan(size, hold):
    """Hinge losses and MA-GP in D's step, −D in G's."""
    config, ours, network, pairs, judge, (trunk, head), d_pairs = dfgan_networks(size)
    inputs, real = networks.generator_inputs(config), real_images(config)[0]
    sentence = tf.constant(inputs["sentence"])
    with tf.GradientTape() as g_tape:
        fake = ours(**inputs, training=True).image
        with g_tape.stop_recording(), tf.GradientTape() as tape:
            t, s = tf.constant(real), tf.identity(sentence)
            with tf.GradientTape() as inner:
                inner.watch([t, s])
                features = judge.features(t, training=True)
                matching = judge.conditional(features, s, training=True)
                score = tf.reduce_sum(matching)
            penalty = losses.matching_aware_penalty(*inner.gradient(score, [t, s]))
            wrong = judge.conditional(tf.roll(features, -1, 0), s, training=True)
            false = judge.conditional(judge.features(fake, training=True), s, training=True)
            d_loss = tf.reduce_mean(tf.nn.relu(1 - matching)) + 2.0 * penalty
            d_loss += (tf.reduce_mean(tf.nn.relu(1 + wrong)) + tf.reduce_mean(tf.nn.relu(1 + false))) / 2
        d_found = tape.gradient(d_loss, [pair[0] for pair in theirs.trainable(d_pairs)])
        g_loss = -tf.reduce_mean(judge.conditional(judge.features(fake, training=True), sentence, training=True))
    g_found = g_tape.gradient(g_loss, [pair[0] for pair in theirs.trainable(pairs)])

    t, s = theirs.tensor(real).requires_grad_(), theirs.tensor(inputs["sentence"]).requires_grad_()
    features = trunk(t)
    matching = head(features, s)
    wrong = head(torch.roll(features, -1, 0), s)
    their_fake = network(theirs.tensor(inputs["noise"]), s.detach())
    false = head(trunk(their_fake.detach()), s)
    by_image, by_sentence = torch.autograd.grad(matching.sum(), (t, s), create_graph=True)
    flat = torch.cat((by_image.reshape(B, -1), by_sentence.reshape(B, -1)), dim=1)
    penalty = 2.0 * torch.mean(torch.sqrt(torch.sum(flat**2, dim=1)) ** 6)
    total = (
        torch.relu(1 - matching).mean() + (torch.relu(1 + wrong).mean() + torch.relu(1 + false).mean()) / 2 + penalty
    )
    total.backward()
    hold("DF-GAN's code", f"D at {size}: loss", "float64", theirs.apart(d_loss, total.detach().numpy()), BOUND)
    hold(
        "DF-GAN's code", f"D at {size}: gradients of a step", "float64", theirs.gradients_apart(d_found, d_pairs), BOUND
    )
    (-head(trunk(their_fake), s).mean()).backward()
    hold("DF-GAN's code", f"G at {size}: gradients of a step", "float64", theirs.gradients_apart(g_found, pairs), BOUND)


# ---------------------------------------------------------------- numbers of weights


def numbers(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def their_sizes(family: str) -> tuple[int, list[int]]:
    """G's and each D's numbers of weights in the authors' code, at their sizes."""
    if family == "dfgan":
        code = theirs.module(theirs.clone("DF-GAN") / "code" / "models" / "GAN.py")
        trunk = code.NetD(32, 256, 3)
        unused = sum(numbers(block.conv_s) for block in trunk.DBlocks if not block.learned_shortcut)
        return numbers(code.NetG(32, 100, 256, 256, 3)), [numbers(trunk) + numbers(code.NetC(32, 256)) - unused]
    if family == "stackgan_v2":
        gan = {"EMBEDDING_DIM": 128, "Z_DIM": 100, "GF_DIM": 64, "DF_DIM": 64, "R_NUM": 2, "B_CONDITION": True}
        cfg = theirs.settings(CUDA=False, TEXT={"DIMENSION": build.TEXT_DIM}, GAN=gan, TREE={"BRANCH_NUM": 3})
        code = theirs.module(theirs.clone("StackGAN-v2") / "code" / "model.py", cfg)
        return numbers(code.G_NET()), [numbers(kind()) for kind in (code.D_NET64, code.D_NET128, code.D_NET256)]
    code, cfg = attngan_code()
    cfg.GAN = theirs.settings(CONDITION_DIM=100, Z_DIM=100, GF_DIM=32, DF_DIM=64, R_NUM=2 * (family == "attngan"))
    if family == "attndcgan":
        return numbers(code.G_DCGAN()), [numbers(code.D_NET256(b_jcu=False))]
    return numbers(code.G_NET()), [numbers(kind()) for kind in (code.D_NET64, code.D_NET128, code.D_NET256)]


@pytest.mark.parametrize("family", ["attngan", "attndcgan", "stackgan_v2", "dfgan"])
def test_numbers_of_weights_at_the_authors_sizes(family):
    config, (g, ds) = ModelConfig.of_family(family), their_sizes(family)
    with tf.Graph().as_default(), blocks.blank_weights():
        assert networks.trainable_count(build.build_generator(config)) == g
        assert [networks.trainable_count(judge) for judge in build.build_discriminators(config)] == ds
