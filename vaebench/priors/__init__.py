"""Priors over latents, one registered name per file; mixture is shared by two of them."""
