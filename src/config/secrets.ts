// Keys: where they stand, and how they are read. A key that is there but can not be used is a problem that names its
// place; its value appears in no message, log or dump. Absent keys keep the gateway from starting unless optional.
import { join } from 'node:path'
import { inspect } from 'node:util'

import type { RawSecret } from './raw.ts'
import { readTrustedFile, type Accounts } from './trusted-file.ts'
import type { Secret } from './types.ts'

const hidden = '[secret]'

/** Holds a credential in a field that neither printing, serialising nor inspecting reaches. */
export class HeldSecret implements Secret {
  readonly source: string
  readonly #value: string

  constructor(value: string, source: string) {
    this.#value = value
    this.source = source
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return hidden
  }

  toJSON(): string {
    return hidden
  }

  [inspect.custom](): string {
    return hidden
  }
}

export type FoundSecret =
  | { kind: 'found'; secret: Secret }
  | { kind: 'absent'; message: string; hint: string }
  | { kind: 'refused'; message: string; hint: string }

/** Where references lead. */
export interface SecretPlaces {
  readonly env: NodeJS.ProcessEnv
  readonly accounts: Accounts
}

const maxSecretBytes = 16 * 1024

/** Reads the first place of the reference that exists: credential, then file, then environment variable. */
export function findSecret(reference: RawSecret, places: SecretPlaces): FoundSecret {
  const directory = places.env['CREDENTIALS_DIRECTORY']
  if (reference.credential !== undefined && directory !== undefined && directory !== '') {
    const path = join(directory, reference.credential)
    // The service manager made the directory and decides on its modes.
    const found = fromFile(path, `credential ${reference.credential}`, { isSecret: false, places })
    if (found !== undefined) return found
  }
  if (reference.file !== undefined) {
    const found = fromFile(reference.file, `file ${reference.file}`, { isSecret: true, places })
    if (found !== undefined) return found
  }
  if (reference.env !== undefined) {
    const value = places.env[reference.env]
    if (value !== undefined) return checked(value, `env ${reference.env}`)
  }
  return { kind: 'absent', ...absence(reference, directory) }
}

/** Where a secret is looked for, for people: `credential openai_api_key or env OPENAI_API_KEY`. */
export function describeSecret(reference: RawSecret): string {
  const places = (['credential', 'file', 'env'] as const)
    .filter((kind) => reference[kind] !== undefined)
    .map((kind) => `${kind} ${reference[kind]}`)
  return places.join(' or ')
}

function absence(reference: RawSecret, directory: string | undefined): { message: string; hint: string } {
  const isWithoutDirectory = reference.credential !== undefined && directory === undefined
  const why = isWithoutDirectory
    ? ' ($CREDENTIALS_DIRECTORY is not set: no service manager passed credentials)'
    : ''
  return {
    message: `the secret is not there: ${describeSecret(reference)}${why}`,
    hint: 'provide it, or add "optional: true" when the provider needs none',
  }
}

function fromFile(
  path: string,
  source: string,
  { isSecret, places }: { isSecret: boolean; places: SecretPlaces },
): FoundSecret | undefined {
  const file = readTrustedFile(path, { maxBytes: maxSecretBytes, isSecret }, places.accounts)
  if (file.kind === 'absent') return undefined
  if (file.kind === 'refused') {
    return { kind: 'refused', message: `the secret from ${source} ${file.message}`, hint: file.hint }
  }
  return checked(file.text, source)
}

/** A key goes into a header: one line of visible ASCII (RFC 9110 §5.5), so that nothing can be smuggled behind it. */
function checked(text: string, source: string): FoundSecret {
  const value = text.replace(/\r?\n$/, '')
  const fault = secretFault(value)
  if (fault === undefined) return { kind: 'found', secret: new HeldSecret(value, source) }
  return {
    kind: 'refused',
    message: `the secret from ${source} ${fault}`,
    hint: 'store the bare key and nothing else',
  }
}

/** What keeps a text from being a key, to follow its name in a message; undefined when nothing does. */
export function secretFault(value: string): string | undefined {
  if (value.trim() === '') return 'is empty'
  if (/[\r\n]/.test(value)) return 'has more than one line'
  if (!/^[\x20-\x7e]*$/.test(value)) return 'has characters other than visible ASCII'
  if (value !== value.trim()) return 'begins or ends with a space'
  return undefined
}
