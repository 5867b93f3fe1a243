// Keys that the configuration of this machine finds in a variable, a file or the vault alone. A service on the box has neither of them, so
// deploy stores the key there as a credential, and the copy of the configuration names that credential, too. The name follows from the
// source alone: the same source never gets another one, so that no key takes the place of another.
import { readDocument } from '../../config/document.ts'
import type { RawSecret } from '../../config/raw.ts'
import { secretPlaces } from '../../config/stored-secrets.ts'
import { isCredentialName } from '../../systemd/credentials.ts'
import { type BoxConfig, type KeyReference, readBoxConfig } from './box-config.ts'

export interface CarriedKey {
  /** As the file of this machine has it. */
  readonly key: KeyReference
  readonly credential: string
}

/** A configuration whose references name credentials as well. */
export interface CarryingConfig {
  readonly text: string
  readonly config: BoxConfig
  readonly carried: readonly CarriedKey[]
}

/**
 * The keys of a configuration that can be carried: references without a credential, for which a name is free. A name is not given to two
 * sources.
 */
export function carriableKeys({ keys, raw }: BoxConfig): CarriedKey[] {
  const identity = secretPlaces(raw.secrets, '/', {}).credential
  const taken = new Set([identity, ...Object.keys(raw.providers ?? {})])
  for (const { reference } of keys) if (reference.credential !== undefined) taken.add(reference.credential)
  const named = keys.flatMap((key) => {
    const credential = nameFor(key.reference)
    return credential === undefined || taken.has(credential) ? [] : [{ key, credential }]
  })
  const sources = new Map<string, Set<string>>()
  for (const { key, credential } of named) {
    sources.set(credential, (sources.get(credential) ?? new Set()).add(sourceOf(key.reference)))
  }
  return named.filter(({ credential }) => sources.get(credential)!.size === 1)
}

/** `openai_api_key` of the variable OPENAI_API_KEY; of a file, its whole path. */
function nameFor({ credential, env, file, secret }: RawSecret): string | undefined {
  if (credential !== undefined) return undefined
  const source = env?.toLowerCase() ?? secret ?? file?.replaceAll(/[^A-Za-z0-9]+/g, '_').replace(/^_/, '')
  return source !== undefined && /^\w/.test(source) && isCredentialName(source) ? source : undefined
}

function sourceOf({ env, file, secret }: RawSecret): string {
  return JSON.stringify([env, file, secret])
}

/** Adds their credentials to a text. Where that would not read as it is meant, nothing is added. */
export function withCredentials(
  text: string,
  config: BoxConfig,
  wanted: readonly CarriedKey[],
): CarryingConfig {
  const unchanged = { text, config, carried: [] }
  const document = readDocument(text)
  if (document.kind === 'unreadable' || wanted.length === 0) return unchanged
  // By their places: an alias leads to one that has been changed already.
  const additions = new Map<number, string>()
  for (const { key, credential } of wanted) {
    const [start] = document.rangeOf(key.path) ?? []
    if (start === undefined) return unchanged
    additions.set(start, credential)
  }
  const edited = [...additions]
    .toSorted(([one], [other]) => other - one)
    .reduce((all, [start, credential]) => withMember(all, start, credential), text)
  const expected = config.keys.map(({ place, reference }) => {
    const credential = wanted.find(({ key }) => key.place === place)?.credential
    return { place, reference: { ...reference, ...(credential !== undefined && { credential }) } }
  })
  const now = readBoxConfig(edited)
  const isAsMeant = now !== undefined && shape(now.keys) === shape(expected)
  return isAsMeant ? { text: edited, config: now, carried: wanted } : unchanged
}

/** As the first member of the mapping that begins there. */
function withMember(text: string, start: number, credential: string): string {
  const [before, after] = [text.slice(0, start), text.slice(start)]
  // Quoted, since a name may look like a number.
  const member = `credential: ${JSON.stringify(credential)}`
  if (after.startsWith('{')) return `${before}{ ${member}, ${after.slice(1).trimStart()}`
  const indent = before.slice(before.lastIndexOf('\n') + 1).replaceAll(/\S/g, ' ')
  return `${before}${member}\n${indent}${after}`
}

function shape(keys: readonly Pick<KeyReference, 'place' | 'reference'>[]): string {
  return JSON.stringify(
    keys.map(({ place, reference: { credential, env, file, optional, secret } }) => [
      place,
      credential,
      env,
      file,
      optional,
      secret,
    ]),
  )
}
