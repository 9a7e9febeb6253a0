"""Evaluation: networks, scores, protocols."""

__all__ = [
    "colour_retrieval",
    "fid",
    "inception_score",
    "kid",
    "prdc",
    "r_precision",
    "scores",
    "statistics",
    "variety",
]
