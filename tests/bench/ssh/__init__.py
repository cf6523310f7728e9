"""SSH through the gateway, beside the server itself, ProxyJump and a proxy of asyncssh's."""
