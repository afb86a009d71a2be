"""Fuzzing: whatever anybody sends through a door of the project, only the documented errors come out, in linear work.

The suite runs a few examples of each test, the same on each run. `make fuzz` runs thousands of random ones.
"""
