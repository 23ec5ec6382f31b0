"""ModelKit indexes: made, changed, listed, sent and fetched."""
