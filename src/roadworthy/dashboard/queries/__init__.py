"""Read models of the pages: each function takes a connection and reads what one page shows, within bounds."""
