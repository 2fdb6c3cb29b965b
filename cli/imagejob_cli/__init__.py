"""The command line, `imagejob`, which is also the plug-in `kubectl imagejob`."""
