"""Benchmarks of the Airflow door."""
