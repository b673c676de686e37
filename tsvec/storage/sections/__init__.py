"""How columns.bin comes about: a partition's table becomes sections, the sections become a file.

Everything here goes piece by piece, so that a partition of any size takes little memory. Reading
the file is not this sub-room's business.
"""
