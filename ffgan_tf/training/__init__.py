"""The training engine."""

__all__ = ["damsm_loop", "distribution", "gan_loop", "gan_step", "session"]
