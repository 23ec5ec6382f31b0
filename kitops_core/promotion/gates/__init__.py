"""What a kit must show before it may enter a channel."""
