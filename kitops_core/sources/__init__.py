"""Where the files of a kit come from: a directory, or contents by name."""
