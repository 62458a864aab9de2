"""Makes the simulator's cast out of MakeHuman's data; see `tools/make_cast.py`."""
