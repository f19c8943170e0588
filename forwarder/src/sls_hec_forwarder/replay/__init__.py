"""Dead letters are looked at, changed on the way, and sent again."""
