"""Latent layers: features to groups of latents, one registered name per file."""
