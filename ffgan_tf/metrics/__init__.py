"""Evaluation: networks, scores, protocols."""
