"""Decoders: latent features to a map at image size, one registered name per file."""
