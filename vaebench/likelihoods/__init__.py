"""Likelihoods of integer images, one registered name per file."""
