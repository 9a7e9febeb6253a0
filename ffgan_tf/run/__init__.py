"""What a run's folder holds: checkpoints, lock, log, encoder files, and the sampler that reads them."""

__all__ = ["checkpoints", "encoder_files", "log", "reading", "sampler", "settings", "text_to_image"]
