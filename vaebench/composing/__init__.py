"""Composing: from the text or the classes of a composition to a checked model."""
