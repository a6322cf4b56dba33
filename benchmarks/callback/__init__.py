"""Proofs and figures of the callback queue: walks, kills, races and speed."""
