"""What is done with whole kits: pack, copy, unpack, read, compare, list, tag, remove."""
