"""What a prediction is worth: metrics with intervals, baselines and token recall."""
