"""`python -m tsvec` is the `tsvec` command."""

from tsvec.cli.app import main

if __name__ == "__main__":
    main()
