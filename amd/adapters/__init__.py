"""Telephony media in, verdicts out: a decoder for what each system sends, a clock for what none sends.

Decoders are pure: bytes or text in, the frozen events of `amd.adapters.media` out. They know no socket and no
clock. `amd.adapters.call.Call` puts one before an `amd.Detector`; `amd.adapters.systems` is the table of them.
"""
