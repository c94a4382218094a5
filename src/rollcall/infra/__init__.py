"""The parts that touch machinery: database, cache, clock, deadline, metrics. They know nothing of the product's rules."""
