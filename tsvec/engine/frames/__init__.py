"""Answers as Arrow tables: what the records say, as columns.

The types follow from the records of the model, so there is no second description of an answer.
"""
