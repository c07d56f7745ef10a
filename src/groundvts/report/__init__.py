"""Tables, figures, notebooks and the page, all drawn from records; nothing here imports torch."""
