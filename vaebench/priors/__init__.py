"""Priors over latents, one registered name per file; two of them share ``mixture``."""
