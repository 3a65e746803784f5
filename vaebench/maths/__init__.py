"""Exact formulas as plain functions, independent of the rest of the package."""
