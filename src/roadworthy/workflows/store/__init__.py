"""The SQL of the workflows feature: plain functions of a connection, put into transactions by the caller."""
