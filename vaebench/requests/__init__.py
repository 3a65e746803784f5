"""What a person asks for: requests, recipes and tracks."""
