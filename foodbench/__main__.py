"""``python -m foodbench``."""

from foodbench.cli.main import main

if __name__ == "__main__":
    main()
