"""What a run's folder holds: checkpoints, lock, log, encoder files, and the sampler that reads them."""
