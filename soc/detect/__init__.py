"""Detection: Sigma rules in, the rules that match an event out. The matcher is explained in decision 0003."""
