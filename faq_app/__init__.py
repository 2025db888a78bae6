"""What people touch: the chat page and the HTTP API over one ``Service``."""
