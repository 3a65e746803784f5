"""Network pieces that several parts share."""
