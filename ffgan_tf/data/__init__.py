"""Data: captions, images, records, converters, the input pipeline."""

__all__ = ["captions", "images", "pipeline", "records", "verify"]
