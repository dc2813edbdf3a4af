"""What can be evaluated, one file each."""
