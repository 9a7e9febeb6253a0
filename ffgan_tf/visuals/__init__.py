"""Sheets to look at: where words attend, what features show, edits, interpolations, variety, neighbours, models."""

__all__ = ["between", "canvas", "compare", "maps", "neighbours", "sentences", "sheets"]
