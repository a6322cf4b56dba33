"""Decoders fed what a fuzzer makes up.

Nothing is imported here: the worker must see the first import of each decoder.
"""
