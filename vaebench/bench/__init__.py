"""The runs of a track: the plan, what is finished already, and the processes that do the rest."""
