"""Laws that components keep, for their authors to run."""
