"""Requests for runs: recipes, tracks, and the complete request that a run carries out."""
