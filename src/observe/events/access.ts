// Who may call: the keys of clients, the keys of those who sign identities, and the users of connections.

export type AccessEvent =
  | KeysLoaded
  | KeysRefused
  | ClockNotSet
  | KeysMissing
  | KeysNotAcknowledged
  | IdentityKeysLoaded
  | IdentityKeysFailed
  | IdentityKeysRefused
  | IdentityKeysNotSaved
  | PeerUsersUnreadable

/** A version of the key file is in force in all threads. */
interface KeysLoaded {
  readonly kind: 'keys_loaded'
  readonly generation: number
  /** How many there are. */
  readonly keys: number
}

/** The key file has faults: the keys that were in force before it stay so. */
interface KeysRefused {
  readonly kind: 'keys_refused'
  readonly file: string
  readonly faults: readonly string[]
  /** How many more there are. */
  readonly unshown: number
}

/** There is no key file, so no key is valid. Emitted once a minute. */
interface KeysMissing {
  readonly kind: 'keys_missing'
  readonly file: string
}

/** The clock shows a time before this release was built, so that keys which expire are refused. */
interface ClockNotSet {
  readonly kind: 'clock_not_set'
  /** As in RFC 3339. */
  readonly now: string
  readonly built: string
  /** How many expire. */
  readonly keys: number
}

/** Which keys are in force could not be written down for the command line; they are in force all the same. */
interface KeysNotAcknowledged {
  readonly kind: 'keys_not_acknowledged'
  readonly cause: unknown
}

/** An issuer of identities has sent keys, which are in force. */
interface IdentityKeysLoaded {
  readonly kind: 'identity_keys_loaded'
  readonly url: string
  /** How many there are. */
  readonly keys: number
}

/** An issuer did not answer with keys: those that it has sent last stay in force for a day. */
interface IdentityKeysFailed {
  readonly kind: 'identity_keys_failed'
  readonly url: string
  readonly reason: string
  /** ISO 8601. Undefined: there are none, so that its identities cannot be checked. */
  readonly usable_until: string | undefined
}

/** Others may have written the copy of the issuers' keys, so it is not used. */
interface IdentityKeysRefused {
  readonly kind: 'identity_keys_refused'
  readonly reason: string
}

/** The copy of the issuers' keys could not be written; they are in force all the same. */
interface IdentityKeysNotSaved {
  readonly kind: 'identity_keys_not_saved'
  readonly cause: unknown
}

/** The kernel's list of sockets can't be read: no client's user is known, and all are refused. */
interface PeerUsersUnreadable {
  readonly kind: 'peer_users_unreadable'
  readonly cause: Error
}
