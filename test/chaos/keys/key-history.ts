// The versions of the key file in the course of a run, and what may become of a call by those that can have been in force
// while it was under way. Pure. Times are milliseconds since 1970.
import type { KeyRecord } from '../../../src/clients/keys/key-record.ts'

export interface KeyVersion {
  readonly keys: readonly KeyRecord[]
  /** When the command that wrote it began: it was not in force before. */
  readonly begunAtMs: number
  /** From then on no earlier version is in force. Undefined: nobody has confirmed that. */
  acknowledgedAtMs: number | undefined
}

/** A call's key. */
export interface Presented {
  /** The secret's public id, which stands in the text. */
  readonly secretId: string
  /** It is not the text that the gateway printed. */
  readonly isMistyped: boolean
}

/** What the key check makes of a call, and what ends it later. */
export type Fate =
  | 'served'
  | 'invalid_api_key'
  | 'key_disabled'
  | 'key_expired'
  | 'key_required'
  | 'key_revoked'
  | 'model_not_allowed'

export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** The clock by which clients measure and that of the gateway differ by less. */
const clockToleranceMs = 20

/** The versions of which one at a time was in force during the span, oldest first. */
export function versionsDuring(
  versions: readonly KeyVersion[],
  { fromMs, toMs }: Span,
): readonly KeyVersion[] {
  const oldest = versions.findLastIndex(
    ({ acknowledgedAtMs }) => acknowledgedAtMs !== undefined && acknowledgedAtMs <= fromMs,
  )
  return versions.slice(Math.max(0, oldest)).filter(({ begunAtMs }) => begunAtMs <= toMs)
}

/** All that may become of a call of this model with this key. */
export function fatesOf(
  versions: readonly KeyVersion[],
  { secretId, isMistyped }: Presented,
  model: string,
  span: Span,
): ReadonlySet<Fate> {
  if (isMistyped) return new Set(['invalid_api_key'])
  const fates = new Set<Fate>()
  let wasThere = false
  for (const { keys } of versionsDuring(versions, span)) {
    const key = keys.find(({ secrets }) => secrets.some(({ id }) => id === secretId))
    if (key === undefined) {
      fates.add('invalid_api_key')
      if (wasThere) fates.add('key_revoked')
      continue
    }
    wasThere = true
    const untilMs = key.secrets.find(({ id }) => id === secretId)?.untilMs ?? Infinity
    if (span.toMs >= untilMs - clockToleranceMs) fates.add('key_expired')
    if (span.fromMs >= untilMs + clockToleranceMs) continue
    fates.add(fateOfValid(key, model))
  }
  return fates
}

function fateOfValid({ isDisabled, terms }: KeyRecord, model: string): Fate {
  if (isDisabled) return 'key_disabled'
  return mayUse(terms.models, model) ? 'served' : 'model_not_allowed'
}

/** @param models names, and beginnings of names with a star. */
export function mayUse(models: readonly string[] | undefined, model: string): boolean {
  if (models === undefined) return true
  return models.some((each) => (each.endsWith('*') ? model.startsWith(each.slice(0, -1)) : model === each))
}
