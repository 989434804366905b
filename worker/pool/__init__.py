"""Pool processes: started, given jobs, replaced when killed; `child` runs inside them."""
