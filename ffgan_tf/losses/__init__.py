"""Losses as pure functions."""

__all__ = ["damsm", "gan"]
