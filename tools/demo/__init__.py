"""`make demo`: from nothing to an ImageJob over real photos, with the outputs to look at."""
