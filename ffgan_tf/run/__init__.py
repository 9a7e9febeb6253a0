"""A run's folder: its checkpoints, lock, log and encoder files, and the sampler that reads them."""

__all__ = [
    "checkpoints",
    "encoder_files",
    "log",
    "model_file",
    "reading",
    "sampler",
    "settings",
    "source",
    "text_to_image",
]
