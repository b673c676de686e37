"""Questions beyond the k nearest: with decay, within a radius, across ranges and moments.

Each row is compared once, and bounds on how far it is decide who is measured in double precision.
"""
