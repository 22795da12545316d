"""How each kind of cluster is driven from Airflow's scheduler."""
