"""One evaluation: images and a reference in, a report out. Shared by the command line and the training loop."""

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Any, cast

from ffgan_tf.evaluation.features import Network, extract
from ffgan_tf.evaluation.images import GeneratedImages, Images, RecordImages
from ffgan_tf.evaluation.protocols import Protocol
from ffgan_tf.evaluation.reference import reference_features
from ffgan_tf.metrics.scores import compare_features, score_classes
from ffgan_tf.metrics.seeds import SEED

if TYPE_CHECKING:  # it needs TensorFlow, which commands load once their flags are known to be right
    from ffgan_tf.evaluation.retrieval import Retrieval
    from ffgan_tf.evaluation.sentence_variety import SentenceVariety

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "ffgan_tf", "features")


def evaluate_images(
    images: Images,
    reference: Images | None,
    network: Network,
    protocol: Protocol,
    *,
    is_network: Network | None = None,
    retrieval: "Retrieval | None" = None,
    variety: "SentenceVariety | None" = None,
    batch: int = 32,
    cache_dir: str | os.PathLike = CACHE,
    seed: int = SEED,
    step: int | None = None,
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The report of `images` against `reference`: a flat dict of scores, with everything they depend on.

    One pass over `images` feeds all scores. Features come from `network`; the Inception Score from `is_network`, or
    where that is None from `network`'s own class head; R-precision from `retrieval`. Without a reference there are the
    last two alone. `variety`, with a reference that knows its images' classes, adds the variety within one sentence.
    Raises UserError for damaged images, too few of them, and features that are not finite.
    """
    began = time.time()
    networks = [network] if is_network is None else [network, is_network]
    if reference is None and is_network is not None:
        networks = [is_network]
    watched = networks + [retrieval.damsm] if retrieval else networks
    extracted = extract(images, watched, batch, cache_dir, images.what)
    scores: dict[str, Any] = {}
    remarks = list(notes)
    if reference is not None:
        real, statistics = reference_features(reference, network, batch, cache_dir)
        scores, new_remarks = compare_features(extracted.arrays[0]["pool"], real, statistics, seed)
        remarks += new_remarks
        if variety:
            photographs = cast(RecordImages, reference)  # evaluate refuses --variety with any other
            varied, files = variety.score(network, real, photographs.classes, batch, cache_dir)
            scores |= varied
            extracted.files.append(files)
    classes, new_remarks = score_classes(extracted.arrays[len(networks) - 1].get("probs"), protocol.splits, seed)
    scores |= classes
    if retrieval:
        scores |= retrieval.score(extracted.arrays[-1]["codes"], seed)
    remarks += new_remarks
    report = {
        "kind": "evaluation",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "step": step,
        **scores,
        "count": images.count,
        "pictures": images.what,
        "protocol": dataclasses.asdict(protocol),
        "network": networks[0].protocol(),
        "is_network": networks[-1].protocol() if "is" in scores else None,
        "seed": seed,
        "duration_s": round(time.time() - began, 2),
        "notes": remarks,
    }
    if reference is not None:
        report |= {"reference": reference.what, "reference_count": reference.count}
        report |= {"reference_stored": getattr(reference, "stored", "files as they are")}
    if isinstance(images, GeneratedImages):  # never evaluated again, and the features of 30,000 images take 245 MB
        for file in {file for files in extracted.files for file in files}:
            file.unlink(missing_ok=True)
    return report


def run_images(
    run: Any, data_dir: str, protocol: Protocol, num_samples: int, seed: int, batch: int = 32
) -> GeneratedImages:
    """The images of a loaded run (`sampling.Run`) from the test captions chosen by the protocol.

    Raises UserError where the data set's vocabulary is not the run's.
    """
    from ffgan_tf.data import pipeline, records
    from ffgan_tf.data.captions import Vocabulary
    from ffgan_tf.evaluation.images import digest, digest_arrays
    from ffgan_tf.evaluation.protocols import caption_plan
    from ffgan_tf.run.vocabulary import check_same_vocabulary

    check_same_vocabulary(
        Vocabulary.load(os.path.join(data_dir, records.VOCABULARY)),
        f"--data={data_dir}",
        run.vocabulary,
        f"the run in {run.path}",
        "name the data set that the run was trained on.",
    )
    split = pipeline.load_split(data_dir, "test")
    plan = caption_plan(split.caption_counts, protocol, num_samples, seed)

    def tokens(index):
        image, caption = plan[index]
        return split.tokens[image, caption, : split.lengths[image, caption]].tolist()

    def generate(indices):
        return run.sampler([tokens(index) for index in indices], seed, indices, protocol.truncation)

    source = {
        "weights": digest_arrays([*run.generator.get_weights(), *run.text_encoder.get_weights()]),
        "captions": digest([tokens(index) for index in range(len(plan))]),
        "seed": seed,
        "truncation": protocol.truncation,
        "size": run.config.model.image_size,
    }
    return GeneratedImages(generate, len(plan), source, f"{run.path} at step {run.step}", batch)
