"""Instances that planning is measured on, and what it is measured against: exhaustive search and plain policies."""
