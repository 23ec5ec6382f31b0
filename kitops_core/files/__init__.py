"""What lies in the directories that people pack: symbolic links, junk, credentials."""
