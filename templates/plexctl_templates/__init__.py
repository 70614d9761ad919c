"""Everything that plexctl renders, one folder a target."""
