"""Speed and memory of the engine, as ratios against other tools and a floor, measured side by side in one run."""
