"""`make walkthrough`: the commands of README and quickstart, run as a new user types them."""
