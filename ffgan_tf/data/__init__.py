"""Captions, images, records, converters, and the input pipeline."""

__all__ = ["captions", "images", "pipeline", "records", "verify"]
