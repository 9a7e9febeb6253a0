"""Networks of spec sections 1 to 4, as subclassed Keras models."""
