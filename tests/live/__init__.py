"""The whole gateway as a child process, with real clients and servers."""
