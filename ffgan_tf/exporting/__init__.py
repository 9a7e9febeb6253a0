"""A trained model for elsewhere: the model file's provenance, a SavedModel of raw strings, the model card."""

__all__ = ["card", "graph_tokenizer", "provenance", "saved_model"]
