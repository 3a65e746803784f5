"""Data sets: integer images in memory, with fixed splits, one registered name per file."""
