"""xspack beside the tools that people use today, measured: ``python -m benchmarks``."""
