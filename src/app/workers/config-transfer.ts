// A configuration on its way to another thread. What crosses over is cloned, and the clone of a secret has no value:
// secrets are taken out on this side and put back in on the other.
import { HeldSecret } from '../../config/secrets.ts'
import type { Config } from '../../config/types.ts'

/** Holds the keys in the clear: for a thread of this process, and nothing else. */
export interface SerializedConfig {
  readonly serialized: unknown
}

/** Stands for a secret: a set of one. A configuration has maps, lists and objects, also where its keys are free, but no sets. */
type SecretMark = ReadonlySet<SerializedSecret>

interface SerializedSecret {
  readonly revealed: string
  readonly source: string
}

export function serializeConfig(config: Config): SerializedConfig {
  return {
    serialized: rebuilt(config, (value): SecretMark | undefined =>
      value instanceof HeldSecret ? new Set([{ revealed: value.reveal(), source: value.source }]) : undefined,
    ),
  }
}

export function deserializeConfig({ serialized }: SerializedConfig): Config {
  return rebuilt(serialized, (value) => {
    if (!isSecretMark(value)) return undefined
    const [{ revealed, source }] = [...value] as [SerializedSecret]
    return new HeldSecret(revealed, source)
  }) as Config
}

/** The same maps, lists and objects, some of them replaced by what `replace` returns. */
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

function isSecretMark(value: object): value is SecretMark {
  return value instanceof Set
}
