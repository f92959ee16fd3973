"""Jobs: generators that loop over a data set, yield batches and write a result folder."""
