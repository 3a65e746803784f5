"""Encoders: an image to a pyramid of features, one registered name per file."""
