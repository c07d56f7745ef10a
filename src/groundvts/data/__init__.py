"""Annotations, conversations, videos and model inputs."""
