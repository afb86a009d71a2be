"""What an operator does to a stage: look at its loops and reviews, report on them, take them up again."""
