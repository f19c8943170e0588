"""HTTP/1.1 exchanges, each bounded in time and size. Every client of the relay uses them."""
