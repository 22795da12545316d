"""What `aiops clusters check` runs."""

from aiops_provider.airflow.cluster_check import cluster_check_dag

dag = cluster_check_dag()
