"""Training: schedule, optimizer, trainer, progress and trackers."""
