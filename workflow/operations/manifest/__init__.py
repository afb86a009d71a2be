"""Exports reviews as a SageMaker Ground Truth augmented manifest, to train a model on people's answers.

export.py   writes the manifest of many reviews
line.py     makes the line of one review
"""
