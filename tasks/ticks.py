"""What Beat sends: messages without a row, harmless when they are lost, late or doubled."""
