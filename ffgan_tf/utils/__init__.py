"""Small helpers that every part of the package shares."""

__all__ = ["errors", "files", "grid", "pixels", "seeds"]
