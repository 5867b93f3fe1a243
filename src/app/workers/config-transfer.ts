// A configuration on its way to another thread. What crosses over is copied, and a copy of a held secret has no value:
// secrets are taken out of their keeping on this side and put back into it on the other.
import { HeldSecret } from '../../config/secrets.ts'
import type { Config } from '../../config/types.ts'

/** Holds the keys in the clear: for a thread of this process, and nothing else. */
export interface PackedConfig {
  readonly packed: unknown
}

/** Stands for a secret. No key of a configuration has this name. */
interface PackedSecret {
  readonly heldSecret: string
  readonly source: string
}

export function packConfig(config: Config): PackedConfig {
  return {
    packed: rebuilt(config, (value): PackedSecret | undefined =>
      value instanceof HeldSecret ? { heldSecret: value.reveal(), source: value.source } : undefined,
    ),
  }
}

export function unpackConfig({ packed }: PackedConfig): Config {
  return rebuilt(packed, (value) =>
    isPackedSecret(value) ? new HeldSecret(value.heldSecret, value.source) : undefined,
  ) as Config
}

/** The same maps, lists and objects, with what `replace` gives in the place of some. */
function rebuilt(value: unknown, replace: (value: object) => object | undefined): unknown {
  if (typeof value !== 'object' || value === null) return value
  const other = replace(value)
  if (other !== undefined) return other
  if (Array.isArray(value)) return value.map((item: unknown) => rebuilt(item, replace))
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]: [unknown, unknown]) => [key, rebuilt(item, replace)]))
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rebuilt(item, replace)]))
}

function isPackedSecret(value: object): value is PackedSecret {
  return 'heldSecret' in value
}
