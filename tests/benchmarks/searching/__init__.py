"""What the search is measured on: clusters made up, and Google's machine reassignment problem from a directory."""
