"""The daily brief (CONTRACT 8.1): fetch, sort, write, analyse, save. `service.BriefService` is the way in."""
