"""Raw files to data sets on disk: the protocols of preprocessing, and the pipeline that runs them."""
