"""What operators do, without any page: each module is one kind of work, over one ``Desk``."""
