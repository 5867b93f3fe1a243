// Who the client of a request is, and whether it may call: the keys in force, the identities of front proxies, and the entries
// of `clients:`.
import type { IncomingMessage } from 'node:http'
import type { Call } from '../call/call.ts'
import { ClientRecords } from '../clients/client-records.ts'
import { clientReader, type ForwardedFor } from '../clients/forwarded-for.ts'
import type { IdentityCheck } from '../clients/identity/identity-check.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import { KeysInForce } from '../clients/keys/keys-in-force.ts'
import type { Config } from '../config/types.ts'
import type { Client } from '../domain.ts'
import type { GatewayError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import { builtAtMs as packageBuiltAtMs } from '../platform/package.ts'
import { KeyCheck, keyRevoked } from '../server/key-check.ts'
import { withCharges } from '../server/wrong-identities.ts'
import { identityCheckOf } from './identity.ts'
import { keylessClients } from './keys.ts'
import { pseudonymsOf } from './pseudonyms.ts'
import type { SharedServices } from './shared-services.ts'

interface ClientCheckParts extends Pick<SharedServices, 'floodWindows' | 'keySets'> {
  readonly clock: Clock
  /** When the release was built, in milliseconds since 1970. Undefined: the package's. */
  readonly builtAtMs: number | undefined
  readonly forwardedFor: ForwardedFor
  /** The keys that are in force. */
  readonly keyFile: KeyFile
  /** Ends calls under way. @returns how many. */
  readonly interrupt: (error: GatewayError, isConcerned: (client: Client) => boolean) => number
}

export class ClientChecks {
  /** Undefined: keys are ignored. */
  readonly keyCheck: KeyCheck | undefined
  /** Undefined: there are no identities. */
  readonly identityCheck: Pick<IdentityCheck, 'check'> | undefined
  /** The client, with the terms of its entry, before identity and key are looked at. */
  readonly clientOf: (request: IncomingMessage) => Client
  readonly #keys: KeysInForce
  readonly #interrupt: ClientCheckParts['interrupt']
  readonly #isRevoked: (client: Client) => boolean
  readonly #countedAs: ((id: string) => string) | undefined
  #records: ClientRecords
  /** Calls that `revokeKeys` has ended since the last `setKeys`. */
  #endedAhead = 0

  /** @throws StartError when the configuration names a user that does not exist here. */
  constructor(
    config: Config,
    { interrupt, forwardedFor, floodWindows, keySets, clock, keyFile, builtAtMs }: ClientCheckParts,
  ) {
    const { mode, prefix } = config.keys
    this.#interrupt = interrupt
    this.#countedAs = countedAs(config)
    this.#records = new ClientRecords(config.clients, this.#countedAs)
    const plainClientOf = clientReader(forwardedFor)
    this.clientOf = (request) => this.#records.withTerms(plainClientOf(request))
    const prefixes = [prefix]
    const keys = new KeysInForce(keyFile, prefixes, builtAtMs ?? packageBuiltAtMs())
    this.#keys = keys
    this.#isRevoked = ({ secretId }) => secretId !== undefined && keys.isRevoked(secretId)
    const isRequired = mode === 'required'
    const keylessIds = isRequired ? keylessClients(config.keys) : new Set<string>()
    const identityCheck = identityCheckOf(config.identity, { clock, keySets, clientOf: plainClientOf })
    this.identityCheck =
      identityCheck === undefined || floodWindows === undefined
        ? identityCheck
        : withCharges(identityCheck, { floodWindows, clientOf: plainClientOf })
    const { clientOf } = this
    this.keyCheck =
      mode === 'off'
        ? undefined
        : new KeyCheck({ ...clock, keys, prefixes, isRequired, keylessIds, floodWindows, clientOf })
  }

  /** Goes over to the entries of another configuration; keys and identities stay as they were at the start. */
  follow({ clients }: Config): void {
    this.#records = new ClientRecords(clients, this.#countedAs)
  }

  /** Checks requests against these keys from now on. @returns how many calls were ended because their keys were revoked. */
  setKeys(file: KeyFile): number {
    const hasRevoked = this.#keys.replace(file)
    const ended = this.#endedAhead + (hasRevoked ? this.#endRevoked() : 0)
    this.#endedAhead = 0
    return ended
  }

  /** The same for secrets that are revoked, ahead of the keys without them. `setKeys` counts the calls. */
  revokeKeys(secretIds: ReadonlySet<string>): void {
    this.#keys.revoke(secretIds)
    this.#endedAhead += this.#endRevoked()
  }

  /** While its body arrived, the key of a call may have been revoked: it then ends as it begins. */
  endIfRevoked({ client, reply }: Pick<Call, 'client' | 'reply'>): void {
    if (this.#isRevoked(client)) reply.interrupt(keyRevoked())
  }

  #endRevoked(): number {
    return this.#interrupt(keyRevoked(), this.#isRevoked)
  }
}

/** Undefined: clients are counted by their ids. */
function countedAs({ usage }: Config): ((id: string) => string) | undefined {
  const pseudonyms = pseudonymsOf(usage)
  return pseudonyms && ((id) => pseudonyms.of(id))
}
