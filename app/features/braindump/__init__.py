"""Brain dumps: free text becomes operations on projects, tasks and notes, which wait for a yes or are applied at once (CONTRACT 8.8)."""
