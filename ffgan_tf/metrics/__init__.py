"""Scores as pure functions of features and codes."""

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
