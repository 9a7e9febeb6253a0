"""The Inception networks that scores are defined by."""

__all__ = ["networks", "preprocessing", "weights"]
