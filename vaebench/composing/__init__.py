"""From the text or the classes of a composition to a checked, wired model."""
