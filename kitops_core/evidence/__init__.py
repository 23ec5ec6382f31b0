"""Statements about kits: who signed them, how they were made, what they passed; kept beside them as OCI referrers."""
