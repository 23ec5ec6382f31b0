"""Keys: how they are read, sealed and used. What is signed with them is in the package of evidence."""
