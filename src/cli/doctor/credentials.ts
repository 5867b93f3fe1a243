// Where each key that the configuration refers to was found. Values are never shown, nor how long they are.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { secretReferences } from '../../config/load.ts'
import { formatPath } from '../../config/problems.ts'
import type { RawConfig, RawSecret } from '../../config/raw.ts'
import { findSecret, type SecretSources } from '../../config/secrets.ts'
import { packagePath } from '../../package.ts'
import { credentialsDropIn, listCredentials, type StoredCredential } from '../../systemd/credentials.ts'
import type { Places } from '../../systemd/scope.ts'
import { shellWord } from '../../shell-word.ts'
import { ownCommand } from '../own-command.ts'
import type { Finding } from './finding.ts'

/** Why a provider's keys are not at hand here, and how to have the provider examined with them. */
export interface LackingKey {
  readonly reason: string
  readonly fix: string | undefined
}

export interface ExaminedCredentials {
  readonly findings: Finding[]
  /** By provider. */
  readonly lacking: ReadonlyMap<string, LackingKey>
}

export function examineCredentials(
  raw: RawConfig,
  secretPlaces: SecretSources,
  places: Places,
): ExaminedCredentials {
  const findings: Finding[] = []
  const lacking = new Map<string, LackingKey>()
  const stored = storedCredentials(places)
  const examiner = new Examiner(secretPlaces, places, stored)
  for (const [path, reference] of secretReferences(raw)) {
    const [, provider] = path as [string, string]
    const { lack, ...finding } = examiner.examine(provider, reference)
    findings.push({ subject: formatPath(path), ...finding })
    if (lack !== undefined) lacking.set(provider, lack)
  }
  if (findings.length === 0)
    findings.push({ subject: 'keys', state: 'ok', detail: 'no provider asks for one' })
  return { findings, lacking }
}

type Examined = Omit<Finding, 'subject'> & { readonly lack?: LackingKey }

class Examiner {
  readonly #secretPlaces: SecretSources
  readonly #places: Places
  readonly #stored: readonly StoredCredential[]

  constructor(secretPlaces: SecretSources, places: Places, stored: readonly StoredCredential[]) {
    this.#secretPlaces = secretPlaces
    this.#places = places
    this.#stored = stored
  }

  examine(provider: string, reference: RawSecret): Examined {
    const found = findSecret(reference, this.#secretPlaces)
    if (found.kind === 'found') return { state: 'ok', detail: `found: ${found.secret.source}` }
    if (found.kind === 'refused') {
      const lack = { reason: 'its key can not be used (see credentials)', fix: undefined }
      return { state: 'fail', detail: found.message, fix: found.hint, lack }
    }
    // A process of the service manager's gets its credentials, all of them, or does not start.
    const isOutside = (this.#secretPlaces.env['CREDENTIALS_DIRECTORY'] ?? '') === ''
    const kept = this.#stored.find(({ name }) => name === reference.credential)
    if (isOutside && kept !== undefined) return this.#onlyForService(provider, kept)
    if (reference.optional === true) return { state: 'ok', detail: 'not there, and optional' }
    const lack = { reason: 'its key is not there (see credentials)', fix: undefined }
    return { state: 'fail', detail: found.message, fix: this.#wayToGive(provider, reference), lack }
  }

  #onlyForService(provider: string, { name, path, isEncrypted }: StoredCredential): Examined {
    const how = isEncrypted ? 'encrypted' : 'not encrypted'
    const option = `LoadCredential${isEncrypted ? 'Encrypted' : ''}=${name}:${path.replaceAll('%', '%%')}`
    const manager = this.#places.scope === 'user' ? 'systemd-run --user' : 'sudo systemd-run'
    const fix = `${manager} --pipe --wait --collect -p ${shellWord(option)} ${shellWord(launcher())} doctor --provider ${provider}`
    const lack = { reason: 'its key is given to the service only', fix }
    if (!this.#isPassed(name)) {
      const missing = `stored as credential ${name}, but no drop-in passes it to the service`
      return {
        state: 'fail',
        detail: missing,
        fix: `${ownCommand(this.#secretPlaces.env)} systemd install${this.#scopeOption()}`,
        lack,
      }
    }
    return { state: 'ok', detail: `stored as credential ${name} (${how}), given to the service only`, lack }
  }

  /** By the drop-in that `credential set` writes, or by one that somebody wrote by hand. */
  #isPassed(name: string): boolean {
    const folder = dirname(credentialsDropIn(this.#places))
    try {
      return readdirSync(folder).some((file) =>
        readFileSync(join(folder, file), 'utf8').includes(`=${name}:`),
      )
    } catch {
      return false
    }
  }

  #wayToGive(provider: string, { credential, file, env }: RawSecret): string {
    if (credential !== undefined)
      return `${ownCommand(this.#secretPlaces.env)} credential set ${shellWord(provider)}${this.#scopeOption()}`
    if (file !== undefined)
      return `(umask 077; cat >${shellWord(file)})   # type the key, then Enter and Ctrl-D`
    return `give ${env} to the gateway; for the service: systemd/examples/10-environment-file.conf`
  }

  #scopeOption(): string {
    return this.#places.scope === 'system' ? ' --system' : ''
  }
}

/** None where this user may not look into the store. */
function storedCredentials({ credentialsDirectory }: Places): StoredCredential[] {
  try {
    return listCredentials(credentialsDirectory)
  } catch {
    return []
  }
}

/** `bin/llm-gateway` of this package. */
function launcher(): string {
  return packagePath('bin/llm-gateway')
}
