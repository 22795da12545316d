"""Benchmarks of placement."""
