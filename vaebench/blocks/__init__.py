"""Network pieces that several components share."""
