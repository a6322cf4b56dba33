"""Labeled sets, scores with intervals, and their tables."""
