// Names of systemd credentials for the keys of a draft, under which deploy sends them to another machine.
import { defaults } from '../../config/defaults.ts'
import type { RawSecret } from '../../config/raw.ts'
import { isCredentialName } from '../../systemd/credentials.ts'
import type { Draft } from './draft.ts'

/** Lets every reference to a variable or to a stored secret be met by a credential as well. */
export function nameCredentials(draft: Draft): void {
  // By name, the source that has it: two keys never share a credential.
  const owners = new Map<string, string>([[defaults.secrets.identity.credential, '']])
  for (const { name } of draft.literalKeys) if (!owners.has(name)) owners.set(name, `secret ${name}`)
  for (const provider of Object.values(draft.config.providers)) {
    const { headers = {} } = provider
    if (provider.api_key !== undefined) provider.api_key = withCredential(provider.api_key, owners)
    for (const [name, value] of Object.entries(headers)) {
      if (typeof value === 'object') headers[name] = withCredential(value, owners)
    }
  }
}

function withCredential(reference: RawSecret, owners: Map<string, string>): RawSecret {
  const { env, secret } = reference
  const source = env === undefined ? `secret ${secret}` : `env ${env}`
  const names = env === undefined ? [secret ?? ''] : [env.toLowerCase(), env]
  const credential = names.find((name) => isCredentialName(name) && (owners.get(name) ?? source) === source)
  if (credential === undefined) return reference
  owners.set(credential, source)
  return { credential, ...reference }
}
