// Checks where each key that the configuration refers to can be found. Neither keys nor their lengths are shown.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setCommandFor } from '../../config/generated-secrets.ts'
import { secretReferences } from '../../config/load.ts'
import type { RawConfig, RawSecret } from '../../config/raw.ts'
import { findSecret, type SecretSources } from '../../config/secrets.ts'
import { formatPath } from '../../platform/key-path.ts'
import { packagePath } from '../../platform/package.ts'
import { credentialsDropIn, listCredentials, type StoredCredential } from '../../systemd/credentials.ts'
import type { ServicePaths } from '../../systemd/scope.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { ownCommand } from '../invocation.ts'
import type { Finding } from './finding.ts'

/** Why a provider's key is not available to this process, and how to examine the provider with it. */
export interface MissingKey {
  readonly reason: string
  readonly fix: string | undefined
}

export interface CredentialReport {
  readonly findings: Finding[]
  /** By provider. */
  readonly missing: ReadonlyMap<string, MissingKey>
  /** How to provide each optional key that was not found, by provider. */
  readonly optionalFixes: ReadonlyMap<string, string>
}

export function examineCredentials(
  raw: RawConfig,
  secretPlaces: SecretSources,
  paths: ServicePaths,
): CredentialReport {
  const findings: Finding[] = []
  const missing = new Map<string, MissingKey>()
  const optionalFixes = new Map<string, string>()
  const stored = storedCredentials(paths)
  const examiner = new Examiner(secretPlaces, paths, stored)
  for (const [path, reference] of secretReferences(raw)) {
    const [section, provider, key] = path as [string, string, string]
    const isOfProvider = section === 'providers'
    const owner = isOfProvider ? provider : undefined
    const { missingKey, optionalFix, ...finding } = examiner.examine(owner, reference, examinations[section])
    findings.push({ subject: formatPath(path), ...finding })
    if (!isOfProvider) continue
    if (missingKey !== undefined) missing.set(provider, missingKey)
    if (optionalFix !== undefined && key === 'api_key') optionalFixes.set(provider, optionalFix)
  }
  if (findings.length === 0)
    findings.push({ subject: 'keys', state: 'ok', detail: 'no provider refers to a key' })
  return { findings, missing, optionalFixes }
}

/** What uses the keys of a section; for those of a provider, doctor asks it. */
const examinations: Readonly<Record<string, string>> = { notify: 'notify test' }

type KeyFinding = Omit<Finding, 'subject'> & {
  readonly missingKey?: MissingKey
  readonly optionalFix?: string
}

class Examiner {
  readonly #secretPlaces: SecretSources
  readonly #paths: ServicePaths
  readonly #stored: readonly StoredCredential[]

  constructor(secretPlaces: SecretSources, paths: ServicePaths, stored: readonly StoredCredential[]) {
    this.#secretPlaces = secretPlaces
    this.#paths = paths
    this.#stored = stored
  }

  /** @param provider undefined: the key is not a provider's. */
  examine(provider: string | undefined, reference: RawSecret, examination = 'doctor'): KeyFinding {
    const found = findSecret(reference, this.#secretPlaces)
    if (found.kind === 'found') return { state: 'ok', detail: `found: ${found.secret.source}` }
    if (found.kind === 'refused') {
      const missingKey = { reason: 'its key cannot be used (see credentials)', fix: undefined }
      return { state: 'fail', detail: found.message, fix: found.hint, missingKey }
    }
    // A process that the service manager started has all its credentials, or would not run.
    const isOutsideService = (this.#secretPlaces.env['CREDENTIALS_DIRECTORY'] ?? '') === ''
    const wanted = found.credential ?? reference.credential
    const kept = this.#stored.find(({ name }) => name === wanted)
    if (isOutsideService && kept !== undefined) return this.#serviceOnly(provider, kept, examination)
    if (reference.optional === true) {
      const optionalFix = this.#storeFix(provider, reference)
      return { state: 'ok', detail: 'not found, but optional', optionalFix }
    }
    const missingKey = { reason: 'its key was not found (see credentials)', fix: undefined }
    // A stored secret without its identity is not helped by storing it again.
    const fix = found.credential === undefined ? this.#storeFix(provider, reference) : found.hint
    return { state: 'fail', detail: found.message, fix, missingKey }
  }

  #serviceOnly(
    provider: string | undefined,
    { name, path, isEncrypted }: StoredCredential,
    examination: string,
  ): KeyFinding {
    const form = isEncrypted ? 'encrypted' : 'not encrypted'
    const option = `LoadCredential${isEncrypted ? 'Encrypted' : ''}=${name}:${path.replaceAll('%', '%%')}`
    const command = provider === undefined ? examination : `doctor --provider ${provider}`
    const manager = this.#paths.scope === 'user' ? 'systemd-run --user' : 'sudo systemd-run'
    const fix = `${manager} --pipe --wait --collect -p ${shellWord(option)} ${shellWord(launcher())} ${command}`
    const missingKey = { reason: 'only the service has its key', fix }
    if (!this.#isPassed(name)) {
      const detail = `stored as credential ${name}, but no drop-in passes it to the service`
      return {
        state: 'fail',
        detail,
        fix: `${ownCommand(this.#secretPlaces.env)} systemd install${this.#scopeOption()}`,
        missingKey,
      }
    }
    return {
      state: 'ok',
      detail: `stored as credential ${name} (${form}), only available to the service`,
      missingKey,
    }
  }

  /** Whether a drop-in passes the credential: the one that `credential set` writes, or one written by hand. */
  #isPassed(name: string): boolean {
    const folder = dirname(credentialsDropIn(this.#paths))
    try {
      return readdirSync(folder).some((file) =>
        readFileSync(join(folder, file), 'utf8').includes(`=${name}:`),
      )
    } catch {
      return false
    }
  }

  #storeFix(provider: string | undefined, { credential, file, env, secret }: RawSecret): string {
    if (credential !== undefined) {
      const otherwise = env === undefined ? '' : `   # or, without the service, set $${env}`
      return `${ownCommand(this.#secretPlaces.env)} credential set ${shellWord(provider ?? credential)}${this.#scopeOption()}${otherwise}`
    }
    if (file !== undefined)
      return `(umask 077; cat >${shellWord(file)})   # type the key, then Enter and Ctrl-D`
    if (env === undefined)
      return `${ownCommand(this.#secretPlaces.env)} ${setCommandFor(secret!)}${this.#scopeOption()}`
    return `set ${env} in the gateway's environment; for the service: systemd/examples/10-environment-file.conf`
  }

  #scopeOption(): string {
    return this.#paths.scope === 'system' ? ' --system' : ''
  }
}

/** Empty if this user may not read the store. */
function storedCredentials({ credentialsDirectory }: ServicePaths): StoredCredential[] {
  try {
    return listCredentials(credentialsDirectory)
  } catch {
    return []
  }
}

function launcher(): string {
  return packagePath('bin/llm-gateway')
}
