"""The documentation as a site, and those of its pages that are made from the code."""
