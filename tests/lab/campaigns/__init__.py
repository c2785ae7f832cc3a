"""Campaigns: the command line on real hosts, killed and hindered again and again, and what must hold afterwards.

`python -m tests.lab.campaigns kills` and `faults` run one whole and print its figures; the tests run a seeded slice.
"""
