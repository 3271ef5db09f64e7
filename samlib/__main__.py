"""`python -m samlib`: see samlib/runs/command_line.py."""

from samlib.runs.command_line import main

if __name__ == "__main__":
    main()
