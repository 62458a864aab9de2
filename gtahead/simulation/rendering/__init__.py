"""Drawing simulated people and places: a z-buffer, a shadow map and shading, on one thread.

Everything is computed in float32 by kernels of our own, with +, -, *, / and square roots alone, so
that a frame's bytes are the same on every machine.
"""
