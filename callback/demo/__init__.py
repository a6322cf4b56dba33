"""The whole flow on one machine, without a telephone: `callback demo`."""
