// What deploy needs of the configuration that is to run on the box: keys, sockets, users. The box itself checks it.
import { readDocument } from '../../config/document.ts'
import { defaults } from '../../config/defaults.ts'
import { pruned, secretReferences } from '../../config/load.ts'
import type { Path } from '../../config/problems.ts'
import type { RawConfig, RawSecret } from '../../config/raw.ts'
import { violations } from '../../config/validate.ts'
import { formatPath } from '../../platform/key-path.ts'

export interface BoxConfig {
  readonly raw: RawConfig
  readonly keys: readonly KeyReference[]
  readonly hosts: readonly string[]
  readonly port: number
  readonly hasServices: boolean
  /** Of `access`. */
  readonly allowedUsers: readonly string[]
}

export interface KeyReference {
  readonly path: Path
  /** The same for people: `providers.openai.api_key`. */
  readonly place: string
  /** What `credential set` is to be called with. */
  readonly name: string
  readonly reference: RawSecret
}

/** Undefined: the text is not YAML. Values of the wrong shape are left out, and `${NAME}` stays as it is. */
export function readBoxConfig(text: string): BoxConfig | undefined {
  const document = readDocument(text)
  if (document.kind === 'unreadable') return undefined
  const raw = pruned(document.value, violations(document.value, document.problems))
  const { hosts = defaults.server.hosts, port = defaults.server.port } = raw.server ?? {}
  return {
    raw,
    keys: [...keyReferences(raw)],
    hosts,
    port,
    hasServices: Object.values(raw.providers ?? {}).some(({ service }) => service !== undefined),
    allowedUsers: raw.access?.allowed_users ?? defaults.access.allowed_users,
  }
}

function* keyReferences(raw: RawConfig): Generator<KeyReference> {
  for (const [path, reference] of secretReferences(raw)) {
    const [section, owner, key] = path
    // The gateway makes the key of pseudonyms itself.
    if (section === 'usage') continue
    // It stays where keys of clients are signed.
    if (path.at(-1) === 'sign_keys_with') continue
    const isOfProvider = section === 'providers' && key === 'api_key'
    const name = isOfProvider ? String(owner) : (reference.credential ?? '')
    yield { path, place: formatPath(path), name, reference }
  }
}
