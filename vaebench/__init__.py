"""Composable variational autoencoders and a benchmark whose numbers can be trusted."""

__version__ = "0.1.0"
