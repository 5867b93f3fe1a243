// The issuers' keys of a process, with the copy of them that outlives a restart: whoever could change it could sign tokens
// of anybody, so it is only read if nobody but its owner can have written it.
//
// Where it cannot be written, identities go on being checked, and the fault is reported.
import { join } from 'node:path'
import { membersOf, parseJson } from '../bytes/json/parse.ts'
import { type KeySet, readKeySet } from '../clients/identity/key-set.ts'
import { KeySetStore } from '../clients/identity/key-set-store.ts'
import { readTrustedFile } from '../config/trusted-file.ts'
import type { IdentityConfig, TokenSource } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import { get } from '../outbound/get.ts'
import type { Clock } from '../platform/clock.ts'
import { systemAccounts } from '../platform/ownership.ts'
import { StateFile } from '../platform/state-file.ts'

export interface IssuerKeysParts {
  readonly clock: Clock
  readonly events: Events
  /** Undefined: no copy is kept. */
  readonly stateDirectory: string | undefined
}

const fileName = 'identity-keys.json'
export const fetchLimits = { maxBytes: 262_144, timeoutMs: 5_000 } as const
const fileRules = { maxBytes: 16 * fetchLimits.maxBytes, isSecret: false } as const

export class IssuerKeys {
  readonly store: KeySetStore
  readonly #directory: string | undefined
  readonly #file: StateFile | undefined
  readonly #events: Events

  private constructor(urls: readonly string[], { clock, events, stateDirectory }: IssuerKeysParts) {
    this.#directory = stateDirectory
    this.#file = stateDirectory === undefined ? undefined : new StateFile(stateDirectory, fileName)
    this.#events = events
    this.store = new KeySetStore({
      urls,
      clock,
      chance: Math.random,
      fetch: (url) => get(url, fetchLimits),
      kept: this.#load(),
      keep: (sets) => this.#save(sets),
      onFetched: (url, keys) => events.emit({ kind: 'identity_keys_loaded', url, keys }),
      onFault: (url, reason, usableUntilMs) =>
        events.emit({
          kind: 'identity_keys_failed',
          url,
          reason,
          usable_until: usableUntilMs === undefined ? undefined : new Date(usableUntilMs).toISOString(),
        }),
    })
  }

  /** Undefined: no source of the configuration has tokens. */
  static of({ sources }: IdentityConfig, parts: IssuerKeysParts): IssuerKeys | undefined {
    const tokenSources = sources.filter((source): source is TokenSource => source.kind === 'token')
    const urls = new Set(tokenSources.map(({ keysUrl }) => keysUrl))
    return urls.size === 0 ? undefined : new IssuerKeys([...urls], parts)
  }

  /** Resolves when the copy is written. */
  async saved(): Promise<void> {
    await this.#file?.settled()
  }

  #load(): ReadonlyMap<string, KeySet> {
    if (this.#directory === undefined) return new Map()
    const read = readKeptKeys(this.#directory)
    if ('refused' in read) {
      this.#events.emit({ kind: 'identity_keys_refused', reason: read.refused })
      return new Map()
    }
    return read.sets
  }

  #save(sets: ReadonlyMap<string, KeySet>): void {
    const failed = (cause: unknown) => this.#events.emit({ kind: 'identity_keys_not_saved', cause })
    void this.#file?.replace(formatCopies(sets)).catch(failed)
  }
}

/** The copy of the issuers' keys, by their URLs. `refused`: why it is not used, in words that follow its name. */
export function readKeptKeys(
  directory: string,
): { readonly sets: ReadonlyMap<string, KeySet> } | { readonly refused: string } {
  const read = readTrustedFile(join(directory, fileName), fileRules, systemAccounts())
  if (read.kind === 'refused') return { refused: read.message }
  return { sets: read.kind === 'read' ? readCopies(read.text) : new Map() }
}

function formatCopies(sets: ReadonlyMap<string, KeySet>): string {
  const copies = Array.from(sets, ([url, { keys, fetchedAtMs }]) => ({
    url,
    fetched_at: new Date(fetchedAtMs).toISOString(),
    keys,
  }))
  return `${JSON.stringify({ version: 1, sets: copies }, undefined, 2)}\n`
}

/** What cannot be read is left out: the issuer is asked anyway. */
function readCopies(text: string): ReadonlyMap<string, KeySet> {
  const { version, sets } = membersOf(parseJson(text))
  if (version !== 1 || !Array.isArray(sets)) return new Map()
  return new Map(
    sets.flatMap((copy) => {
      const { url, fetched_at: fetchedAt, keys } = membersOf(copy)
      const fetchedAtMs = Date.parse(String(fetchedAt))
      const read = readKeySet(JSON.stringify({ keys }))
      if (typeof url !== 'string' || Number.isNaN(fetchedAtMs) || 'fault' in read) return []
      return [[url, { keys: read.keys, fetchedAtMs }] as const]
    }),
  )
}
