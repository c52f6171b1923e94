"""Convert raw files to data sets on disk: the preprocessing protocols and the pipeline that runs them."""
