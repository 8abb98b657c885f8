"""Event Hubs over AMQP 1.0, in pure Python: what the unmodified azure-eventhub client needs, and switches to break it.

Start reading at `broker`. `connections`, `sessions` and `links` carry; `nodes` says where an address leads; `cbs`,
`management` and `logs` are what is there; `performatives`, `messages`, `framing`, `encoding` and `decoding` are octets.
Depends on nothing but the standard library.
"""
