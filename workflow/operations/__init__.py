"""What an operator does with a published stage: manage its loops, read its reviews, and report on them."""
