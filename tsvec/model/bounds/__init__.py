"""What one query and one tenant may use: deadlines, quotas and what there is of them."""
