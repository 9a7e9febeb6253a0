"""A run's folder: its checkpoints, lock, log and encoder files, and the sampler that reads them."""

__all__ = ["checkpoints", "encoder_files", "log", "reading", "sampler", "settings", "text_to_image"]
