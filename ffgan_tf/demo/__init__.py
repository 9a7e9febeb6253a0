"""Birds drawn by this project, in CUB's own layout."""

__all__ = ["birds", "captions"]
