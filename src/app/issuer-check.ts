// What becomes of an issuer's keys when they are asked for now: for `doctor`.
import { type KeySet, type PublicKey, readKeySet } from '../clients/identity/key-set.ts'
import { usableMs } from '../clients/identity/key-set-store.ts'
import type { IdentityConfig, TokenAlgorithm, TokenSource } from '../config/types.ts'
import { get } from '../outbound/get.ts'
import { fetchLimits, readKeptKeys } from './issuer-keys.ts'

export interface IssuerReport {
  readonly issuer: string
  readonly url: string
  /** For signatures. Undefined: `fault` has the reason. */
  readonly keys: number | undefined
  /** Why its answer is of no use, in words that follow a colon. */
  readonly fault: string | undefined
  /** Accepted algorithms, where none of its keys is for one of them. */
  readonly unusableFor: readonly TokenAlgorithm[] | undefined
  /** How far its clock is ahead of this machine's, in milliseconds. Undefined: it did not report any. */
  readonly aheadMs: number | undefined
  /** How old the stored copy of its keys is, in milliseconds. Undefined: there is none. */
  readonly keptAgeMs: number | undefined
  /** Whether the stored copy is recent enough to be used. */
  readonly isKeptUsable: boolean
  /** Why the stored copy is not used, in words that follow its name. */
  readonly keptRefused: string | undefined
}

export interface IssuerCheckParts {
  /** Undefined: no copy is kept. */
  readonly stateDirectory: string | undefined
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
}

/** Asks each issuer once, as the gateway does. Never rejects. */
export async function checkIssuers(
  { sources }: IdentityConfig,
  { stateDirectory, wallNow }: IssuerCheckParts,
): Promise<IssuerReport[]> {
  const read =
    stateDirectory === undefined ? { sets: new Map<string, KeySet>() } : readKeptKeys(stateDirectory)
  const byUrl = new Map(
    sources
      .filter((source): source is TokenSource => source.kind === 'token')
      .map((source) => [source.keysUrl, source]),
  )
  return Promise.all(
    [...byUrl.values()].map(async (source) => {
      const kept = 'sets' in read ? read.sets.get(source.keysUrl) : undefined
      const asked = await ask(source, wallNow)
      const keptAgeMs = kept && wallNow() - kept.fetchedAtMs
      return {
        issuer: source.issuer,
        url: source.keysUrl,
        ...asked,
        keptAgeMs,
        isKeptUsable: keptAgeMs !== undefined && keptAgeMs < usableMs,
        keptRefused: 'refused' in read ? read.refused : undefined,
      }
    }),
  )
}

type Asked = Pick<IssuerReport, 'keys' | 'fault' | 'unusableFor' | 'aheadMs'>

async function ask({ keysUrl, algorithms }: TokenSource, wallNow: () => number): Promise<Asked> {
  const outcome = await get(keysUrl, fetchLimits)
  const nothing = { keys: undefined, fault: undefined, unusableFor: undefined, aheadMs: undefined }
  if ('fault' in outcome) return { ...nothing, fault: outcome.fault }
  const aheadMs = outcome.dateMs === undefined ? undefined : outcome.dateMs - wallNow()
  const read = readKeySet(outcome.text)
  if ('fault' in read) return { ...nothing, fault: `the key set ${read.fault}`, aheadMs }
  const isUsable = read.keys.some((key) => algorithms.some((algorithm) => fits(key, algorithm)))
  return { ...nothing, keys: read.keys.length, unusableFor: isUsable ? undefined : algorithms, aheadMs }
}

/** RFC 7518 §3.1 and §6.1, RFC 8037 §3.1. */
function fits({ kty, alg }: PublicKey, algorithm: TokenAlgorithm): boolean {
  const isForAny = typeof alg !== 'string' || (isEdwards(alg) && isEdwards(algorithm))
  if (!isForAny && alg !== algorithm) return false
  if (isEdwards(algorithm)) return kty === 'OKP'
  return kty === (algorithm.startsWith('ES') ? 'EC' : 'RSA')
}

/** `EdDSA` stands for `Ed25519` too (RFC 9864 §4.1.2). */
function isEdwards(algorithm: string): boolean {
  return algorithm.startsWith('Ed')
}
