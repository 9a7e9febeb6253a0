"""The seed of every random choice that the scores make, unless told."""

SEED = 2020  # torch-fidelity's
