"""`tidegate doctor`: looks at every part of a stack, and names what is wrong with the next step."""
