"""What the workflow does for one status of a human loop: a module each, with a function that returns its chain."""
