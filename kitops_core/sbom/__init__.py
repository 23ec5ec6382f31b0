"""Bills of materials: what a kit is made of, as CycloneDX."""
