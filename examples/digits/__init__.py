"""A Dagster asset graph that learns to read handwritten digits and packs what it learned as a ModelKit."""
