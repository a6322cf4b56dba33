"""Help to label recordings."""
