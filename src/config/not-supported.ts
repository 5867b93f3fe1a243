// Keys that the schema knows and the gateway does not act on yet. They are refused, so that no limit or check that
// somebody relies on is passed over in silence. An entry goes when its feature lands; nothing else has to change.
import { isDeepStrictEqual } from 'node:util'

import type { Finding, Path } from './problems.ts'

interface NotSupported {
  /** Keys with dots between them; `*` stands for any key or index. */
  readonly path: string
  /** The one value that asks for nothing, and so is accepted. */
  readonly inert?: unknown
}

/** Sorted by path. */
export const notSupportedYet: readonly NotSupported[] = [{ path: 'server.watch_config', inert: false }]

/** Names what `table` refuses in a configuration. */
export function* notSupportedFindings(raw: unknown, table: readonly NotSupported[]): Generator<Finding> {
  for (const entry of table) {
    for (const [path, value] of matches(raw, entry.path.split('.'), [])) {
      // The copy drops prototypes, which the comparison would hold against objects of the reader.
      if (value === undefined || isDeepStrictEqual(structuredClone(value), entry.inert)) continue
      yield { path, message: 'not supported yet', hint: inertHint(entry.inert), at: 'key' }
    }
  }
}

function inertHint(inert: unknown): string {
  return inert === undefined ? 'take it out' : `take it out, or write ${JSON.stringify(inert)}`
}

function* matches(value: unknown, steps: readonly string[], path: Path): Generator<[Path, unknown]> {
  const [step, ...rest] = steps
  if (step === undefined) {
    yield [path, value]
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (step !== '*' && step !== key) continue
      yield* matches(inner, rest, [...path, Array.isArray(value) ? Number(key) : key])
    }
  }
}
