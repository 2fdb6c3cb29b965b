"""The decoding child process and the protocol that it speaks."""
