"""Build time: describes what runs. `machine` holds the whole state machine on one page."""
