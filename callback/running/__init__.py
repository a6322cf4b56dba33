"""`callback run`: a runner with its telephone system and its agents, put together from a file of settings."""
