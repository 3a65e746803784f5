"""Exact formulas as plain functions; they know nobody."""
