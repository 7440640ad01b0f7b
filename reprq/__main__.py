"""Run the command line with `python -m reprq`."""

from reprq.cli import main

if __name__ == "__main__":
    main()
