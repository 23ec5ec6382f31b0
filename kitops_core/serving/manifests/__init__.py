"""Kubernetes manifests for packing, promoting and serving kits, as plain data that YAML is written from."""
