"""Lines of logs and reports, and images, that no network has made."""

import numpy as np

HOSTILE = '</script><script>alert(1)</script><img src="https://evil.example/x.png" onerror=alert(2)>'
SENTENCES = ["a small red bird with a very long yellow tail", HOSTILE, "{{ 7 * 7 }} & 'quotes' <b>", "a blue bird"]


def log_line(step: int, value: float = 0.5) -> dict:
    """A line of a GAN's log; its figures follow from the step."""
    return {
        "step": step,
        "loss_d/real": value + 0.1,
        "loss_d/total": value,
        "D/real": 0.5 + 0.4 * np.sin(step),
        "D/fake": 0.3,
        "loss_g/kl": 0.0,
        "loss_g/total": 2 * value,
        "grad_norm/d": 1.0 + step % 7,
        "loss_scale/d": 1.0,
        "learning_rate/g": 2e-4,
        "speed/images_per_second": 40.0,
        "epoch": step / 10,
    }


def report_line(step: int, fid: float, count: int = 500, **others) -> dict:
    """A report as `evaluate` writes it, with what the report page reads."""
    return {
        "kind": "evaluation",
        "step": step,
        "fid": fid,
        "precision": 0.6,
        "count": count,
        "pictures": "here",
        "protocol": {"name": "ffgan", "splits": 10},
        "network": {"network": "keras", "weights_sha256": "0"},
        "is_network": None,
        "seed": 1,
        "duration_s": 12.5,
        "notes": [f"a note {HOSTILE}"],
        **others,
    }


def images(seed: int, size: int = 64) -> np.ndarray:
    """Images (4, S, S, 3) uint8 that WebP can compress, as real ones: coarse noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 8, 8, 3), np.uint8)
    return coarse.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
