"""Captures that come as joints of people: what those tools share."""
