"""What can be done with kits: pack files, copy between storages, unpack, read, compare, name and remove."""
