"""Exports reviews as a SageMaker Ground Truth augmented manifest, to train a model on people's answers.

export.py      writes the manifest of many reviews
line.py        makes the line of one review: the object that workers saw, and its label attributes
attributes.py  makes the label attributes from the fields of a review
formats.py     writes a label attribute in Ground Truth's format
classes.py     gives the labels of an attribute their IDs
"""
