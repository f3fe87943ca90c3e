"""What the features need from outside, as protocols: their implementations live in `app.adapters`.

docs/decisions/0080 says which have a local one beside the real."""
