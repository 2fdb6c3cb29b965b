"""`make demo`: a local cluster, the operator, and an ImageJob over real photos."""
