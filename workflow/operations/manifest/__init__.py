"""Reviewed items as a SageMaker Ground Truth augmented manifest, to train a model on what people said.

export.py   the file of many reviews: classes first, so that a class has the same id in every line
line.py     the line of one review
"""
