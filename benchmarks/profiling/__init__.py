"""Benchmarks of profiling."""
