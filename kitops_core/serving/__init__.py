"""Serving a kit: as files that a server loads, as an image, as Kubernetes manifests."""
