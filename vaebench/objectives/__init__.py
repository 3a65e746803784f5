"""Objectives: per-image terms to the loss, one registered name per file; two helpers are shared."""
