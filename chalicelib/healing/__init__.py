"""The replacement of failed instances in Auto Scaling groups."""
