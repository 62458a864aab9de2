"""Images: reading, checking, and what is done to them before a dataset takes them."""
