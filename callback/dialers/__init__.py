"""Telephone systems, each behind `callback.dialing.Dialer`.

`callback.dialers.simulated` needs none: its customers ring, answer and hang up by a script.
"""
