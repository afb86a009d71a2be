"""One module for each status of a human loop, with a function that returns the steps of that branch."""
