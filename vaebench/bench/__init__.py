"""A track's runs: what each is asked, what is there already, and the processes that do the rest."""
