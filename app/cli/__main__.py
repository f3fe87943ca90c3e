"""`python -m app.cli`: the same as `buildos`, for where the console script is not installed."""

from app.cli import main

if __name__ == "__main__":
    main()
