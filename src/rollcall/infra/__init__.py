"""Technical parts: database, cache, clock, deadline, metrics. They contain no rule of the product."""
