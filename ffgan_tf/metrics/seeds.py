"""The default seed of every random choice in the scores."""

SEED = 2020  # torch-fidelity's
