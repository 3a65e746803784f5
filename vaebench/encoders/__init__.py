"""Encoders: image to pyramid of features, one registered name per file."""
