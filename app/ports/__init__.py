"""What the features need from outside, as protocols: a real and a local implementation of each live in `app.adapters`."""
