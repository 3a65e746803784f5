"""Records to markdown: a pure function."""
