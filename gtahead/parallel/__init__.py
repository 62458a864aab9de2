"""Units of work on many processes or machines."""
