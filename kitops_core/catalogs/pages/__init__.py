"""The pages of a catalogue, each a function of what was read."""
