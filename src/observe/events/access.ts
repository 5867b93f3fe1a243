// Who may call: the keys of clients, the keys of those who sign identities, and the users of connections.

export type AccessEvent =
  | KeysLoaded
  | KeysRefused
  | ClockNotSet
  | KeyFileNotUsed
  | KeysAwaited
  | KeysMissing
  | KeysNotAccepted
  | KeysNotKept
  | KeysNotStored
  | KeysPulled
  | KeysStored
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
  /** Keys are shared, and some were in force: another list than before has to be published. */
  readonly is_shared?: boolean
  /** Keys are optional, and none was in force since the start. */
  readonly is_usual?: true
}

/** A signed list of keys, which gateways share, is in force here from now on. */
interface KeysPulled {
  readonly kind: 'keys_pulled'
  /** `publish`: by a command of this machine. */
  readonly source: 'publish' | 'store'
  readonly generation: number
  /** How many there are. */
  readonly keys: number
  /** Short name of the key that has signed it. */
  readonly publisher: string
  /** ISO 8601. */
  readonly signed_at: string
}

/** A list of keys was not taken; those that were in force stay so. */
interface KeysNotAccepted {
  readonly kind: 'keys_not_accepted'
  /** As the list says. 0: unknown. */
  readonly generation: number
  readonly reason: string
}

/** No signed list of keys has come yet, so no key is valid. */
interface KeysAwaited {
  readonly kind: 'keys_awaited'
}

/** The copy of the signed list could not be written; it is in force all the same. */
interface KeysNotKept {
  readonly kind: 'keys_not_kept'
  readonly cause: unknown
}

/**
 * The list of keys in force cannot be put into the store, from which the other machines take it. Once for a cause, again every five
 * minutes while it stays.
 */
interface KeysNotStored {
  readonly kind: 'keys_not_stored'
  readonly generation: number
  readonly reason: string
}

/** The store has it after all, or is not to have it any more. */
interface KeysStored {
  readonly kind: 'keys_stored'
}

/** Keys are signed by another machine, and there is a key file here. */
interface KeyFileNotUsed {
  readonly kind: 'key_file_not_used'
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
