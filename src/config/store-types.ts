// Where limits are counted: in this process, or in a server that several gateways share.
import type { Secret } from './secret.ts'

export type StoreConfig = { readonly kind: 'memory' } | SharedStore

export interface SharedStore {
  readonly kind: 'valkey'
  /** Of the server. Undefined only where secrets are not read. */
  readonly url: Secret | undefined
  /** How all of its keys begin, and its channel. */
  readonly prefix: string
  readonly whenUnavailable: WhenUnavailable
  /** How many gateways share the limits at most: 1 to 64. */
  readonly members: number
  /** Certificates in PEM that may have signed the server's, in place of those of Node. */
  readonly ca: string | undefined
  /** Ed25519 public keys (SPKI, DER in base64), one of which has signed each list of clients' keys that is accepted. */
  readonly keysSignedBy: readonly string[]
  /** Whether this machine's commands sign them. */
  readonly signsKeys: boolean
  /** An Ed25519 private key (PKCS #8, DER in base64). Undefined but for those commands: the gateway itself never reads it. */
  readonly signKeysWith: Secret | undefined
}

/** What a gateway grants that cannot reach the store: its share of each limit, nothing, or the whole limit. */
export type WhenUnavailable = 'share' | 'refuse' | 'local'

/** What the URL of a store says. */
export interface StoreEndpoint {
  readonly topology:
    | { readonly kind: 'single' }
    /** Sentinels know the server. */
    | { readonly kind: 'sentinel'; readonly master: string; readonly isSameLogin: boolean }
    /** Each node knows all of them. */
    | { readonly kind: 'cluster' }
  /** At least one; exactly one where the topology is `single`. */
  readonly addresses: readonly StoreAddress[]
  readonly isEncrypted: boolean
  /** Undefined: none is sent. */
  readonly login: StoreLogin | undefined
  /** Number of the database; 0 in a cluster. */
  readonly database: number
}

export type StoreAddress =
  | { readonly host: string; readonly port: number }
  /** A Unix socket. */
  | { readonly path: string }

interface StoreLogin {
  /** Undefined: the default user. */
  readonly user: string | undefined
  readonly password: Secret
}
