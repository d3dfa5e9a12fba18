"""What Lean prints, read back: goals and expressions, just deeply enough to see their shape."""
