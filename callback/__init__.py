"""A fair callback queue around `amd`: a place in line that is never lost.

Reserved: the state machine is designed but not built yet. Nothing here can be used so far.
"""
