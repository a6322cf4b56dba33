"""Fit the models that ship with `amd`, on composed calls; needs the extra ``train``."""
