// Secrets: where they are, and how they are read. The value of a secret appears in no message, log or dump; a secret that
// exists but cannot be used is a problem that names its source. An absent one keeps the gateway from starting unless optional.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'

import type { RawSecret } from './raw.ts'
import { type Accounts } from '../platform/ownership.ts'
import { readTrustedFile } from './trusted-file.ts'
import type { OpenedSecrets } from './stored-secrets.ts'
import type { Secret } from './secret.ts'

const hidden = '[secret]'

/** Keeps a credential in a field that neither printing, serialising nor inspecting reaches. */
export class HeldSecret implements Secret {
  readonly source: string
  readonly #value: string
  // No part of what two secrets are compared by.
  readonly #setAtMs: number | undefined

  constructor(value: string, source: string, setAtMs?: number) {
    this.#value = value
    this.source = source
    this.#setAtMs = setAtMs
  }

  get setAtMs(): number | undefined {
    return this.#setAtMs
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
  /** `credential`: the one that would open a stored secret, if its absence is the reason. */
  | { kind: 'absent'; message: string; hint: string; credential?: string }
  | { kind: 'refused'; message: string; hint: string }

/** Where references are looked up. */
export interface SecretSources {
  readonly env: NodeJS.ProcessEnv
  readonly accounts: Accounts
  /** What is stored and was opened beforehand. Absent: nothing, so that no stored secret is found. */
  readonly stored?: OpenedSecrets
}

const maxSecretBytes = 16 * 1024

/** Reads the first source of the reference that exists: credential, then file, then environment variable, then stored secret. */
export function findSecret(reference: RawSecret, sources: SecretSources): FoundSecret {
  const directory = sources.env['CREDENTIALS_DIRECTORY']
  if (reference.credential !== undefined && directory !== undefined && directory !== '') {
    const path = join(directory, reference.credential)
    // The service manager creates the directory and sets its modes.
    const found = fromFile(path, `credential ${reference.credential}`, { isSecret: false, sources })
    if (found !== undefined) return found
  }
  if (reference.file !== undefined) {
    const found = fromFile(reference.file, `file ${reference.file}`, { isSecret: true, sources })
    if (found !== undefined) return found
  }
  if (reference.env !== undefined) {
    const value = sources.env[reference.env]
    if (value !== undefined) return checked(value, `env ${reference.env}`)
  }
  const stored = reference.secret === undefined ? undefined : sources.stored?.get(reference.secret)
  if (stored?.kind === 'opened') return checked(stored.value, `secret ${reference.secret}`, stored.setAtMs)
  const isOnlyStored = describeSecret(reference) === `secret ${reference.secret}`
  if (stored?.kind === 'refused' || (stored?.kind === 'absent' && (isOnlyStored || stored.credential)))
    return stored
  return { kind: 'absent', ...absence(reference, directory) }
}

/** The sources of a secret, for people: `credential openai_api_key or env OPENAI_API_KEY`. */
export function describeSecret(reference: RawSecret): string {
  return (['credential', 'file', 'env', 'secret'] as const)
    .filter((kind) => reference[kind] !== undefined)
    .map((kind) => `${kind} ${reference[kind]}`)
    .join(' or ')
}

function absence(reference: RawSecret, directory: string | undefined): { message: string; hint: string } {
  const isWithoutDirectory = reference.credential !== undefined && directory === undefined
  const why = isWithoutDirectory
    ? ' ($CREDENTIALS_DIRECTORY is not set: no service manager has passed credentials)'
    : ''
  return {
    message: `secret not found: looked for ${describeSecret(reference)}${why}`,
    hint: 'provide it, or add "optional: true" if the gateway may do without it',
  }
}

function fromFile(
  path: string,
  source: string,
  { isSecret, sources }: { isSecret: boolean; sources: SecretSources },
): FoundSecret | undefined {
  const file = readTrustedFile(path, { maxBytes: maxSecretBytes, isSecret }, sources.accounts)
  if (file.kind === 'absent') return undefined
  if (file.kind === 'refused') {
    return { kind: 'refused', message: `the secret from ${source} ${file.message}`, hint: file.hint }
  }
  return checked(file.text, source, isSecret ? changedAtMs(path) : undefined)
}

function changedAtMs(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}

/** A key is sent in a header, so it must be one line of visible ASCII (RFC 9110 §5.5): no other header can be smuggled in. */
function checked(text: string, source: string, setAtMs?: number): FoundSecret {
  const value = text.replace(/\r?\n$/, '')
  const fault = secretFault(value)
  if (fault === undefined) return { kind: 'found', secret: new HeldSecret(value, source, setAtMs) }
  return {
    kind: 'refused',
    message: `the secret from ${source} ${fault}`,
    hint: 'store only the key itself',
  }
}

/** Why a text cannot be a key, as the predicate of a message; undefined if it can. */
export function secretFault(value: string): string | undefined {
  if (value.trim() === '') return 'is empty'
  if (/[\r\n]/.test(value)) return 'has more than one line'
  if (!/^[\x20-\x7e]*$/.test(value)) return 'has characters other than visible ASCII'
  if (value !== value.trim()) return 'begins or ends with a space'
  return undefined
}
