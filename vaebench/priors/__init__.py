"""Priors over latents, one registered name per file."""
