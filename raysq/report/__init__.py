"""HTML reports about runs and searches, and their charts. `raysq.write_report(run)` writes a report."""
