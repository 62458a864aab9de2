"""`python -m gtahead`: the command line."""

from gtahead.cli import run

if __name__ == "__main__":
    run()
