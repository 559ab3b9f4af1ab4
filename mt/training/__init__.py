"""Training: objective, schedule, optimizer, trainer, progress and trackers."""
