"""
The journeys: one readable file each, and the only place that joins rooms.

Doors (Airflow, Prefect, the command line, the server) call these and nothing below.
"""
