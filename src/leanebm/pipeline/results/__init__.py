"""What runs found, as tables and as training sets."""
