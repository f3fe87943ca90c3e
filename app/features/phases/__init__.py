"""A project's tasks in phases, in an order that works, with dates where they are asked for (CONTRACT 8.5)."""
