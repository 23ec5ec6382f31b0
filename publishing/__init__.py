"""What people see of this project: the documentation site, and the packages on PyPI."""
