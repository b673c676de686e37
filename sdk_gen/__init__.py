"""The generator: the API description in, everything that must agree with it out.

`python -m sdk_gen` writes the reference pages and the copy of the description that the package
carries; `python -m sdk_gen --check` names the files that differ from what would be written.
"""
