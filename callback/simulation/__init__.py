"""A contact centre in simulation: what callback policies do to waits, to agents and to who comes first.

The centre is made up, and says so wherever its figures are shown (docs/simulation.md). It needs the extra
``simulation``; ``callback simulate`` and ``python -m callback.simulation`` run it.
"""
