"""What lies in object stores: found by URL through fsspec, listed, and read in one pass."""
