"""Apache Airflow provider for KitOps ModelKits."""
