"""The decoder process, its supervisor, and the protocol between them."""
