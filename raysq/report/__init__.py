"""The HTML page about runs and searches, and its charts. `raysq.write_report(run)` writes one."""
