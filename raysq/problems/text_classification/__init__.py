"""Text classification: predict the class of a document."""
