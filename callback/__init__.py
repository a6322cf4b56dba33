"""A fair callback queue around `amd`: a place in line that is never lost.

`callback.service.CallbackService` is the whole of it, on a `callback.store.Store`; docs/callback.md has one
callback from booking to connection. The core (`callback.transitions`) needs the standard library only.
"""
