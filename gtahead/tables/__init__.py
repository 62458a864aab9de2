"""Tables as files: the only part that knows Arrow."""
