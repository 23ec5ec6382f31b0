"""Apache Airflow provider for KitOps ModelKits.

Importing it imports neither Airflow nor the engine: Airflow reads a provider's description in every process.
"""

__version__ = "0.1.0"
