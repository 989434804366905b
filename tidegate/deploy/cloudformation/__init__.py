"""A stack as CloudFormation has it: its template, states, events, changes and its deletion."""
