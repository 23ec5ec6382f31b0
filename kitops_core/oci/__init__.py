"""OCI data types: digests, descriptors, manifests, media types, and streams of blob bytes."""
