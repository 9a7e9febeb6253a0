"""The paper's Table 2 with our row added, and why a score does or does not compare with it."""

from typing import Any

DATASETS = {"cub": "CUB", "oxford102": "Oxford-102"}
# (method, {data set: (IS, its ±, FID)}); None: the paper gives a dash
PAPER_ROWS = (
    ("GAN-INT-CLS", {"cub": (2.88, 0.04, None), "oxford102": (2.66, 0.03, None)}),
    ("StackGAN", {"cub": (3.70, 0.04, 32.12), "oxford102": (3.20, 0.01, 55.28)}),
    ("StackGAN++", {"cub": (3.84, 0.06, 18.35), "oxford102": (3.26, 0.01, 48.68)}),
    ("ResFPA-GAN", {"cub": (4.15, 0.03, 16.48), "oxford102": (3.75, 0.02, 43.17)}),
    ("FF-GAN (paper)", {"cub": (4.48, 0.04, 13.04), "oxford102": (4.06, 0.01, 38.76)}),
)
# {data set: (training, test images)} as the field splits them, and the side of the paper's images
COUNTS = {"cub": (8_855, 2_933), "oxford102": (7_034, 1_155)}
IMAGE_SIZE = 256
IS_NETWORKS = {"cub": "stackgan_birds", "oxford102": "stackgan_flowers"}


def why_not(report: dict[str, Any], dataset: str) -> dict[str, list[str]]:
    """Reasons against putting our "is" and "fid" beside the paper's, score → list; empty: it compares."""
    reasons: dict[str, list[str]] = {"is": [], "fid": []}
    if dataset not in DATASETS:
        for score in reasons.values():
            score.append(f"the data set is {dataset or 'unknown'}, not one of the paper's (--dataset names it)")
        return reasons
    network, wanted = (report.get("is_network") or {}).get("network"), IS_NETWORKS[dataset]
    if "is" not in report:
        reasons["is"].append(f"not measured: it needs --is_inception={wanted} and its weights")
    else:
        if network != wanted:
            reasons["is"].append(
                f"its classes are those of `{network}`; the paper's are those of StackGAN's "
                f"fine-tuned network ({wanted})"
            )
        if report["count"] < 30_000:
            reasons["is"].append(f"{report['count']:,} images; the field's scripts take 30,000")
        if report["protocol"]["splits"] != 10:
            reasons["is"].append(f"{report['protocol']['splits']} splits, not 10")
    if "fid" not in report:
        reasons["fid"].append("not measured: it needs a reference")
    else:
        network = report["network"].get("network")
        if network != "fid2015":
            reasons["fid"].append(
                f"its features are those of `{network}`, not of the 2015 network behind the FIDs of the field"
            )
        if report["count"] < 10_000:
            reasons["fid"].append(f"{report['count']:,} images: the bias, about 1/N, differs")
        reasons["fid"].append(
            "the paper states neither network, nor reference split, crop or counts of its FID: equal "
            "protocols cannot be verified (one public bird model: 23.98 in one, 14.01 in another)"
        )
    if report.get("step") is None:
        for score in reasons.values():
            score.append("the images came as a folder: their generator and captions are unknown here")
    return reasons


def why_not_data(manifest: dict[str, Any], image_size: int | None) -> list[str]:
    """Reasons against any score of a run on this converted data set: its images are not the paper's, or not as large.

    The demo's birds come in CUB's own layout, and older records of them say CUB: their number tells them apart.
    """
    reasons = []
    if counts := COUNTS.get(manifest["name"]):
        ours = tuple(manifest["splits"][split]["images"] for split in ("train", "test"))
        if ours != counts:
            reasons.append(
                f"its data set has {ours[0]:,} training and {ours[1]:,} test images; {DATASETS[manifest['name']]} has "
                f"{counts[0]:,} and {counts[1]:,}"
            )
    if image_size and image_size != IMAGE_SIZE:
        reasons.append(f"its images have {image_size}×{image_size} pixels; the paper's {IMAGE_SIZE}×{IMAGE_SIZE}")
    return reasons


def table(report: dict[str, Any], dataset: str) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, rows and footnotes of Table 2 with our row last, its scores marked * where they do not compare."""
    header = ["method"] + [f"{title} {score}" for title in DATASETS.values() for score in ("IS", "FID")]
    rows = []
    for method, figures in PAPER_ROWS:
        row = [method]
        for key in DATASETS:
            mean, std, fid = figures[key]
            row += [f"{mean:.2f} ± {std:.2f}", "–" if fid is None else f"{fid:.2f}"]
        rows.append(row)
    reasons = why_not(report, dataset)
    ours = {
        "is": f"{report['is']:.2f} ± {report['is_std']:.2f}" if "is" in report else "–",
        "fid": f"{report['fid']:.2f}" if "fid" in report else "–",
    }
    marked = {score: text + ("*" if reasons[score] and text != "–" else "") for score, text in ours.items()}
    row = [f"this evaluation ({report['protocol']['name']})"]
    for key in DATASETS:
        row += [marked["is"], marked["fid"]] if key == dataset else ["–", "–"]
    if dataset not in DATASETS:
        row[0] += f": IS {marked['is']}, FID {marked['fid']}"
    rows.append(row)
    notes = []
    for score, why in reasons.items():
        if score in report:
            notes += [f"* {score.upper()} does not compare with the paper's: {reason}." for reason in why]
        else:
            notes.append(f"{score.upper()}: {why[0]}.")
    return header, rows, notes
