"""From source bytes to renditions."""
