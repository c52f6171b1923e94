"""Reading raw files as series: what is found in them, cells as numbers and stamps, findings, and repairs."""
