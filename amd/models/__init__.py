"""Shipped models: data files with a version and a checksum, read by `amd.model`."""
