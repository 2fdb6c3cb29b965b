"""What is read of a file before Pillow opens it: whether it is decoded right, and how."""
