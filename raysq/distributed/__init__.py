"""Work on several processors or machines: executors of calls, by threads or by Ray Data."""
