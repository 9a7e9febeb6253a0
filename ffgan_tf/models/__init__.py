"""Networks of docs/model.md sections 1 to 4, as subclassed Keras models."""

__all__ = [
    "attention",
    "blocks",
    "build",
    "conditioning",
    "discriminator",
    "fpam",
    "generator",
    "image_encoder",
    "text_encoder",
]
