// What the set-up of a service needs of a configuration whose keys are not there yet, and which so does not load.
import { defaults } from './defaults.ts'
import { readDocument } from './document.ts'
import { expandVariables } from './environment.ts'
import { readTrustedFile, systemAccounts } from './trusted-file.ts'

export interface ConfigOutline {
  /** Providers in the order of the file, each with the name of the systemd credential that its `api_key` refers to. */
  readonly providers: ReadonlyMap<string, string | undefined>
  readonly hosts: readonly string[]
  readonly port: number
}

const maxConfigBytes = 1024 * 1024

/** Reads what can be read; what has another shape than it should is left out (`validate-config` complains). */
export function outlineConfig(
  file: string,
  env: NodeJS.ProcessEnv,
): { kind: 'read'; outline: ConfigOutline } | { kind: 'unreadable'; message: string } {
  const read = readTrustedFile(file, { maxBytes: maxConfigBytes, isSecret: false }, systemAccounts())
  if (read.kind === 'absent') return { kind: 'unreadable', message: 'there is no such file' }
  if (read.kind === 'refused') return { kind: 'unreadable', message: read.message }
  const document = readDocument(read.text, (text, path) => expandVariables(text, path, env))
  if (document.kind === 'unreadable') {
    return { kind: 'unreadable', message: 'is no valid YAML; validate-config says where' }
  }
  const root = mapping(document.value)
  const server = mapping(root['server'])
  const providers = Object.entries(mapping(root['providers'])).map(([name, provider]) => {
    const credential = mapping(mapping(provider)['api_key'])['credential']
    return [name, typeof credential === 'string' ? credential : undefined] as const
  })
  const { hosts, port } = server
  return {
    kind: 'read',
    outline: {
      providers: new Map(providers),
      hosts: Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string') : defaults.server.hosts,
      port: typeof port === 'number' ? port : defaults.server.port,
    },
  }
}

function mapping(value: unknown): Record<string, unknown> {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMapping ? (value as Record<string, unknown>) : {}
}
