"""The Inception networks that define the scores."""

__all__ = ["networks", "preprocessing", "weights"]
