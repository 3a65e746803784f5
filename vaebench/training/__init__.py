"""One training loop, its checkpoints, and the stream that feeds it."""
