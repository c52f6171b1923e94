"""Texts, before any problem looks at them: raw files as documents, documents as words of one vocabulary."""
