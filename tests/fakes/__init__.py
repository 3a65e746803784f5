"""The smallest part for each row of compositions that the contracts must serve; none is registered."""
