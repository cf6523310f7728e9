"""Limits: everything is bounded, and every bound has its key, its default and its help here."""

from __future__ import annotations

from attrs import field, frozen

from hoopgate.config.kinds import Bytes, Count, Seconds, about


@frozen
class Limits:
    """Every limit, its default, and what is counted."""

    session: Seconds = field(default=8 * 3600.0, metadata=about("Longest session."))
    idle: Seconds = field(default=3600.0, metadata=about("Longest silence of a session."))
    handshake: Seconds = field(default=15.0, metadata=about("From accept to a verified login.", most=300))
    half_open: Count = field(default=1000, metadata=about("Connections not yet logged in; each worker has its share."))
    half_open_per_address: Count = field(default=100, metadata=about("The same, of one client address."))
    ssh_key_exchanges: Count = field(
        default=200,
        metadata=about("With SSH: new connections' key exchanges that begin in a second; each worker has its share."),
    )
    ssh_login: Seconds = field(
        default=60.0,
        metadata=about("With SSH: from the key exchange, for which `handshake` counts, to a login.", most=600),
    )
    ssh_device_login: Seconds = field(
        default=300.0, metadata=about("The same where somebody signs in elsewhere (device flow).", most=900)
    )
    ssh_device_logins: Count = field(
        default=100, metadata=about("Such logins under way; each worker has its share. Beyond, tokens are asked for.")
    )
    ssh_tries: Count = field(default=6, metadata=about("With SSH: failed logins of one connection.", most=100))
    ssh_key_offers: Count = field(
        default=20, metadata=about("With SSH: public keys that one connection asks about without a signature.")
    )
    ssh_channels: Count = field(default=128, metadata=about("Open channels of an SSH session.", most=10_000))
    ssh_requests: Count = field(
        default=256, metadata=about("Requests of a channel, or of the connection, that wait for their answer or turn.")
    )
    ssh_variables: Count = field(default=64, metadata=about("Variables that a client sets in one channel (SendEnv)."))
    ssh_forwards: Count = field(
        default=256, metadata=about("Ports and sockets of the target that lead to one session's client.", most=10_000)
    )
    ssh_window: Bytes = field(
        default=2 * 1024 * 1024,
        metadata=about("What a channel of SSH may have on its way, each direction.", least=32 * 1024, most=2**31),
    )
    ssh_packet: Bytes = field(default=256 * 1024, metadata=about("One packet of SSH.", least=35_000, most=1024 * 1024))
    sftp_packet: Bytes = field(
        default=256 * 1024, metadata=about("One packet of SFTP but the data in it.", least=1024, most=16 * 1024 * 1024)
    )
    sftp_handles: Count = field(default=1024, metadata=about("Files and directories that an SFTP channel has open."))
    sftp_requests: Count = field(
        default=1024, metadata=about("Requests of an SFTP channel under way; then it waits.", least=2)
    )
    command: Bytes = field(
        default=128 * 1024, metadata=about("A command line of SSH, in characters; longer ones are unknown.", least=64)
    )
    connect_head: Bytes = field(
        default=32 * 1024, metadata=about("Head of an HTTP CONNECT request, its token included.", least=1024)
    )
    connect_fields: Count = field(default=64, metadata=about("Fields of that head."))
    sessions: Count = field(default=10_000, metadata=about("Sessions; each worker has its share."))
    startup_packet: Bytes = field(default=10_000, metadata=about("A client's start-up packet.", least=512))
    token: Bytes = field(default=16 * 1024, metadata=about("A token that a client presents.", least=256))
    verified_tokens: Count = field(default=1024, metadata=about("Verified tokens that are remembered.", least=0))
    verified_token: Seconds = field(default=60.0, metadata=about("How long a verified token is.", least=0, most=60))
    statement: Bytes = field(default=16 * 1024 * 1024, metadata=about("A statement's text."))
    statement_inline: Bytes = field(default=64 * 1024, metadata=about("Above: parsed in a process of its own."))
    parse_time: Seconds = field(default=5.0, metadata=about("One parse in that process.", most=60))
    parse_memory: Bytes = field(
        default=1024 * 1024 * 1024, metadata=about("That process's memory.", least=128 * 1024 * 1024)
    )
    row: Bytes = field(default=64 * 1024 * 1024, metadata=about("A row with a mask in force; it is held whole."))
    message: Bytes = field(default=1024 * 1024 * 1024, metadata=about("One message.", most=1024 * 1024 * 1024))
    buffer: Bytes = field(default=1024 * 1024, metadata=about("Queued for one peer before the other is paused."))
    turn: Count = field(
        default=512, metadata=about("Messages of one stream before others have their turn.", most=65_536)
    )
    prepared_statements: Count = field(default=4096, metadata=about("Prepared statements of a session."))
    prepared_bytes: Bytes = field(default=32 * 1024 * 1024, metadata=about("Their text."))
    holds_per_session: Count = field(default=1, metadata=about("Statements of a session that wait at once."))
    holds_per_identity: Count = field(default=20, metadata=about("The same, of an identity."))
    hold_in_transaction: Seconds = field(default=60.0, metadata=about("A hold inside an open transaction."))
    hold_statement: Bytes = field(
        default=256 * 1024, metadata=about("A statement that can be held: nobody can judge a longer one.")
    )
    grant: Seconds = field(default=8 * 3600.0, metadata=about("Longest just-in-time grant."))
    grant_request: Seconds = field(default=24 * 3600.0, metadata=about("How long a request for a grant may wait."))
    inference_window: Seconds = field(
        default=3600.0, metadata=about("After which what was spent on conditions over masked values counts no more.")
    )
    inference_counts: Count = field(
        default=10_000,
        metadata=about("Identities and masks of which a worker counts that; beyond, such conditions are refused."),
    )
    catalogue_relations: Count = field(
        default=200_000, metadata=about("With masks: relations of a target's database, indexes among them.")
    )
    catalogue_columns: Count = field(default=2_000_000, metadata=about("Their columns."))
    catalogue_definitions: Count = field(default=100_000, metadata=about("Its views, rules and functions."))
    catalogue_definition: Bytes = field(
        default=4 * 1024 * 1024, metadata=about("One of them, as PostgreSQL keeps it; what is longer is refused.")
    )
    catalogue_read: Seconds = field(default=60.0, metadata=about("One reading of the catalogue.", most=600))
    decisions: Count = field(default=20_000, metadata=about("Decisions that are cached, in each worker."))
    cancels: Count = field(
        default=100, metadata=about("Cancel requests a second that a worker passes on to their session's worker.")
    )
    stream_delay: Seconds = field(
        default=0.05,
        metadata=about("Output of a terminal that may be the beginning of a detector's value is kept back.", most=10),
    )
    request_rows: Count = field(default=1000, metadata=about("Rows of one API answer."))
    api_body: Bytes = field(default=64 * 1024, metadata=about("Body of an API request."))
    recorder_write: Seconds = field(default=2.0, metadata=about("One append that takes longer ends the session."))
    secret_ttl: Seconds = field(default=60.0, metadata=about("How long a secret is cached.", least=0, most=60))
    derived_keys: Count = field(default=1024, metadata=about("SCRAM keys of passwords, kept as long.", least=0))
    drain: Seconds = field(default=30.0, metadata=about("From SIGTERM to the end of sessions.", least=0))
