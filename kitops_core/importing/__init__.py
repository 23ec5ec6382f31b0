"""Import: models and data of other systems into kits, with where they came from."""
