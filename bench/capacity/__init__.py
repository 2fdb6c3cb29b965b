"""`make bench-capacity`: what the operator needs and how it reacts at the sizes that it is made for."""
