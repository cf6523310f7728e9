"""Connections that cost little: Twisted's interfaces over one epoll instance of our own, with TLS inside."""

from hoopgate.transport.contexts import ClientContext, ServerContext, Tickets
from hoopgate.transport.network import Network

__all__ = ["ClientContext", "Network", "ServerContext", "Tickets"]
