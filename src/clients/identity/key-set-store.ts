// The one owner of the issuers' keys: fetched at the start, every hour, and when a token names a key that the set lacks.
//
// An issuer that is away changes nothing for 24 hours, also over a restart; after that, or without any set, tokens cannot be
// checked, which is the gateway's own trouble and never the client's.
import type { Clock } from '../../platform/clock.ts'
import { type FoundKeys, hasKey, type KeySet, type KeySets, readKeySet } from './key-set.ts'

/** A whole body, or why there is none. */
type Fetched = { readonly text: string } | { readonly fault: string }

export interface KeySetStoreParts {
  /** Of the issuers' sets. */
  readonly urls: readonly string[]
  /** Never rejects. */
  readonly fetch: (url: string) => Promise<Fetched>
  readonly clock: Clock
  /** From 0 to 1. */
  readonly chance: () => number
  /** What the last run has kept. */
  readonly kept: ReadonlyMap<string, KeySet>
  /** Called with all sets when one is new. */
  readonly keep: (sets: ReadonlyMap<string, KeySet>) => void
  readonly onFetched: (url: string, keys: number) => void
  /** @param usableUntilMs when the set that is in use becomes too old, in milliseconds since 1970; undefined: there is none. */
  readonly onFault: (url: string, fault: string, usableUntilMs: number | undefined) => void
}

const refreshMs = 3_600_000
/** So that several gateways do not ask at the same moment, a refresh comes so much earlier or later. */
const refreshSpread = 0.1
const retryMs = 300_000
/** Between two fetches for the sake of requests, whatever came of the first. */
const askAgainMs = 30_000
/** How long a set is used that the issuer does not confirm. */
export const usableMs = 24 * 3_600_000

interface Issuer {
  set: KeySet | undefined
  isReachable: boolean
  /** By the monotonic clock. */
  askedAtMs: number
  asking: Promise<void> | undefined
  stopTimer: (() => void) | undefined
}

export class KeySetStore implements KeySets {
  readonly #parts: KeySetStoreParts
  readonly #issuers: ReadonlyMap<string, Issuer>
  #isStopped = false

  constructor(parts: KeySetStoreParts) {
    this.#parts = parts
    this.#issuers = new Map(
      parts.urls.map((url) => [
        url,
        {
          set: parts.kept.get(url),
          isReachable: false,
          askedAtMs: -Infinity,
          asking: undefined,
          stopTimer: undefined,
        },
      ]),
    )
  }

  /** Asks all issuers, and goes on asking. Waits for no answer. */
  start(): void {
    for (const [url, issuer] of this.#issuers) void this.#ask(url, issuer)
  }

  stop(): void {
    this.#isStopped = true
    for (const { stopTimer } of this.#issuers.values()) stopTimer?.()
  }

  find(url: string, kid: string | undefined): FoundKeys | Promise<FoundKeys> {
    const issuer = this.#issuers.get(url)
    if (issuer === undefined) return unknownIssuer
    const set = this.#usable(issuer)
    if (set !== undefined && (kid === undefined || hasKey(set, kid))) return foundOf(set, issuer)
    const isTooSoon = this.#parts.clock.now() - issuer.askedAtMs < askAgainMs
    if (issuer.asking === undefined && isTooSoon) return foundOf(set, issuer)
    return this.#ask(url, issuer).then(() => foundOf(this.#usable(issuer), issuer))
  }

  /** A clock that has gone back does not make a set older than it is. */
  #usable({ set }: Issuer): KeySet | undefined {
    return set !== undefined && this.#parts.clock.wallNow() - set.fetchedAtMs < usableMs ? set : undefined
  }

  #ask(url: string, issuer: Issuer): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    issuer.askedAtMs = this.#parts.clock.now()
    issuer.asking ??= this.#fetch(url, issuer).then(() => {
      issuer.asking = undefined
      this.#askLater(url, issuer)
    })
    return issuer.asking
  }

  #askLater(url: string, issuer: Issuer): void {
    if (this.#isStopped) return
    const { clock, chance } = this.#parts
    const spread = 1 + refreshSpread * (2 * chance() - 1)
    issuer.stopTimer?.()
    issuer.stopTimer = clock.setTimer(
      () => void this.#ask(url, issuer),
      issuer.isReachable ? refreshMs * spread : retryMs,
    )
  }

  async #fetch(url: string, issuer: Issuer): Promise<void> {
    const { fetch, clock, keep, onFetched, onFault } = this.#parts
    const fetched = await fetch(url)
    if (this.#isStopped) return
    const read = 'fault' in fetched ? fetched : readKeySet(fetched.text)
    issuer.isReachable = !('fault' in read)
    if ('fault' in read) {
      const fault = 'fault' in fetched ? fetched.fault : `the key set ${read.fault}`
      const set = this.#usable(issuer)
      onFault(url, fault, set && set.fetchedAtMs + usableMs)
      return
    }
    const isFirst = issuer.set === undefined
    const isNew = isFirst || JSON.stringify(issuer.set?.keys) !== JSON.stringify(read.keys)
    issuer.set = { keys: isNew ? read.keys : issuer.set!.keys, fetchedAtMs: clock.wallNow() }
    if (isNew) onFetched(url, read.keys.length)
    keep(this.#sets())
  }

  #sets(): ReadonlyMap<string, KeySet> {
    return new Map(
      [...this.#issuers].flatMap(([url, { set }]) => (set === undefined ? [] : [[url, set] as const])),
    )
  }
}

const unknownIssuer: FoundKeys = { set: undefined, isReachable: false }

function foundOf(set: KeySet | undefined, { isReachable }: Issuer): FoundKeys {
  return { set, isReachable }
}
