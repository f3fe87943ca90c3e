"""What jobs do, one package each, independent of each other."""
