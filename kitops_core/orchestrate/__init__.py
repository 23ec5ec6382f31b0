"""What every orchestrator's integration needs and none may decide alone: names, metadata, texts for people."""
