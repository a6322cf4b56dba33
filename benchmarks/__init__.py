"""The project's own measurements: ``python -m benchmarks``. Not installed with the package."""
