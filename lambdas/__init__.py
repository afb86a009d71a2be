"""Run time: the code that runs in the cloud, all of it, and nothing else."""
