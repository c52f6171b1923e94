"""Language modeling: predict the next word or character of a text."""
