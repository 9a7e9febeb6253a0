"""Published data sets, and any folder of captioned images, into records."""

__all__ = ["conversion", "cub", "folder", "oxford102"]
