"""Sheets of images: attention, features, edits, interpolations, variety, neighbours, comparisons of models."""

__all__ = ["between", "canvas", "compare", "maps", "neighbours", "sentences", "sheets"]
