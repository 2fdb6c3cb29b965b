"""`imagejob run`: an ImageJob on one machine, with a folder as the store and child processes as Pods."""
