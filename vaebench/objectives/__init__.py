"""Objectives: the loss from per-image terms, one registered name per file; two modules are shared."""
