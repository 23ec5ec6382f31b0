"""A catalogue to look at: kits, versions, channels, history and lineage of registries as a folder of pages."""
