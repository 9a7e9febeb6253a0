"""Networks of docs/model.md sections 1 to 4, as subclassed Keras models."""
