"""The training loop, its checkpoints, and its stream of images."""
