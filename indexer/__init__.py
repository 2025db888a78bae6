"""Put a FAQ table into SQLite, and find the entry that answers a question."""
