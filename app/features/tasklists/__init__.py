"""Task lists: CSV files and the tasks of iCalendar files become projects and tasks."""

from app.features.tasklists.models import TaskChanges
from app.features.tasklists.service import import_table, import_todos

__all__ = ["TaskChanges", "import_table", "import_todos"]
