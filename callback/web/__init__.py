"""The HTTP service of the queue, and the page of whoever looks after it: ``callback serve``."""
