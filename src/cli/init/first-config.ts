// The text of a first configuration: small, and with the comments that its next reader needs.
import { exampleCredential } from '../suggest.ts'
import type { FoundCloud } from './clouds.ts'
import type { LocalServer } from './local-servers.ts'

export interface FirstConfig {
  /** Path of the schema, for editors. */
  readonly schema: string
  readonly port: number
  readonly servers: readonly LocalServer[]
  readonly clouds: readonly FoundCloud[]
  /** How the clouds' keys are found: stored for the service, in the environment alone, or by nothing yet. */
  readonly keys: 'stored' | 'environment' | 'missing'
  /** Of the clients that have no other wish. Undefined: no local server has one. */
  readonly model: { readonly name: string; readonly provider: string } | undefined
  /** Unix users that are served; undefined: the gateway's own. */
  readonly allowedUsers: readonly string[] | undefined
}

export function firstConfig({
  schema,
  port,
  servers,
  clouds,
  keys,
  model,
  allowedUsers,
}: FirstConfig): string {
  const lines = [
    `# yaml-language-server: $schema=${schema}`,
    '#',
    '# Written by `llm-gateway init`, from what was found on this machine. Every key is explained in docs/config.md;',
    '# check changes with `llm-gateway validate-config`.',
    '',
    `server: { port: ${port} }  # on 127.0.0.1 and [::1] only`,
    ...(allowedUsers === undefined ? [] : [`access: { allowed_users: ${JSON.stringify(allowedUsers)} }`]),
    '',
    'providers:',
    '  # Built in: returns the last message, which shows whether everything else works.',
    '  echo: { kind: echo }',
    ...servers.flatMap((server) => ['', ...serverLines(server)]),
    ...clouds.flatMap((each) => ['', ...cloudLines(each, keys)]),
    '',
    'models:',
    '  echo: { provider: echo }',
    ...(model === undefined ? [] : modelLines(model)),
    ...clouds.flatMap(({ name }) => wildcardLines(name, keys)),
    '',
    '# Limits of a model, in any 60 seconds:',
    '# rate_limit_settings: { limits: { NAME: { rpm: 60, tpm: 100000, max_parallel_requests: 4 } } }',
  ]
  return `${lines.join('\n')}\n`
}

function serverLines({ name, title, baseUrl, kind }: LocalServer): string[] {
  const members = [
    ...(kind === undefined ? [] : [`kind: ${kind}`]),
    `base_url: ${JSON.stringify(baseUrl)}`,
    'discover_models: true',
    'price: free',
  ]
  return [
    `  # ${title[0]!.toUpperCase()}${title.slice(1)}. Every model that it lists can be called, as ${name}/MODEL or MODEL.`,
    `  ${name}: { ${members.join(', ')} }`,
  ]
}

function cloudLines({ name, variable, entry }: FoundCloud, keys: FirstConfig['keys']): string[] {
  const credential = exampleCredential(name)
  if (keys === 'environment') return [`  ${name}: { ${entry}, api_key: { env: ${variable} } }`]
  const line = `${name}: { ${entry}, api_key: { credential: ${credential}, env: ${variable} } }`
  if (keys === 'stored') return [`  ${line}`]
  return [`  # Once its key is stored (llm-gateway credential set ${name}):`, `  # ${line}`]
}

function modelLines({ name, provider }: { readonly name: string; readonly provider: string }): string[] {
  return [`  ${JSON.stringify(name)}: { provider: ${provider} }`]
}

function wildcardLines(name: string, keys: FirstConfig['keys']): string[] {
  const sign = keys === 'missing' ? '# ' : ''
  return [`  ${sign}"${name}/*": { provider: ${name} }  # ${name}/MODEL goes there as MODEL`]
}
