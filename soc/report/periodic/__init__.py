"""What the periodic reports say."""
