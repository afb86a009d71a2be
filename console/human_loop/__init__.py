"""The page of one human loop: its views, and how they are built from its story.

views.py       what the page shows
building.py    the views, from a story
"""
