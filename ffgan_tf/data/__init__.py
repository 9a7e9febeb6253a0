"""Data: captions, images, records, converters, the input pipeline."""
