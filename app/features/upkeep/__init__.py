"""Upkeep: the next instance of recurring tasks, and what has grown old (CONTRACT 8.9)."""

from app.features.upkeep.service import Cleaned, UpkeepService

__all__ = ["Cleaned", "UpkeepService"]
