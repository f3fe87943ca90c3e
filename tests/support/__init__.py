"""What several tests share: servers, databases, doubles of the outside world."""
