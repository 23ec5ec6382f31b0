"""Files to bytes and back: which files a layer holds, its tar, its compression, and its safe extraction."""
