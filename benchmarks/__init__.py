"""Benchmarks. Each runs the project and a baseline in turns, and prints the ratio of their times."""
