"""One HTML file, or one table, about runs: curves, images, scores, settings, data. Runs' folders are only read."""

__all__ = ["charts", "comparison", "curves", "drawn", "images", "page", "parameters", "runs", "tables"]
