"""HTTP/1.1 exchanges with the outside, each bounded in time and size: what every client of the relay uses."""
