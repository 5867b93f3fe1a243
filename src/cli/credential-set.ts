// `llm-gateway credential set PROVIDER` and `rotate PROVIDER`: stores a key, and makes the service use it.
import { readPartialConfig } from '../config/partial-config.ts'
import { secretFault } from '../config/secrets.ts'
import { isCredentialName, storeCredential, updateDropIns } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { printable } from '../platform/printable.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { type CommandIo, Output } from './output.ts'
import { ownCommand } from './invocation.ts'
import { readSecret, type SecretInput } from './read-secret.ts'
import { systemdRestartCommand } from './systemd-restart.ts'
import { entryToAdd, exampleCredential, unknownProvider } from './suggest.ts'

export type CredentialIo = CommandIo & { readonly stdin: SecretInput }

export interface SetOptions {
  readonly provider: string
  readonly config: string | undefined
  /** Restart the service, so that it uses the new key from the next call on. */
  readonly isRotation: boolean
}

/** @returns the exit status: 0 when the key is stored (and, for a rotation, in use). The key appears nowhere else. */
export async function credentialSetCommand(
  io: CredentialIo,
  paths: ServicePaths,
  { provider, config, isRotation }: SetOptions,
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const err = new Output(io.stderr, io.env)
  const file = config ?? paths.configFile
  const found = findCredentialName(provider, file, io.env)
  if (found.kind === 'unknown') {
    err.line(found.message)
    return 1
  }
  const { name, lineToAdd } = found
  const value = await readSecret(io.stdin, (text) => io.stderr.write(text))
  const fault = value === undefined ? undefined : secretFault(value)
  if (value === undefined || fault !== undefined) {
    err.line(`${fault === undefined ? 'No key was entered' : `The key ${fault}`}; nothing was changed.`)
    return 1
  }
  const stored = storeCredential(paths, { name, value }, run)
  updateDropIns(paths)
  const form = stored.isEncrypted ? "encrypted with this machine's key" : 'mode 0600, not encrypted'
  out.line(`Stored ${name} in ${printable(stored.path)} (${form}).`)

  const scope = scopeOptions(paths.scope)
  run('systemctl', [...scope, 'daemon-reload'])
  // The unit may have failed because this key was missing.
  run('systemctl', [...scope, 'reset-failed', serviceUnit, socketUnit])
  if (lineToAdd !== undefined) {
    out.line(
      `${printable(file)} does not have the provider "${printable(provider)}" yet. Below providers:, add`,
    )
    out.line(`  ${printable(lineToAdd)}`)
  }
  if (!isRotation) {
    const option = paths.scope === 'system' ? ' --system' : ''
    out.line(`To use it, run: ${ownCommand(io.env)} systemd restart${option}`)
    return 0
  }
  if (readUnitState(serviceUnit, ['ActiveState'], paths.scope, run)['ActiveState'] !== 'active') {
    out.line('The service is not running; it will start with the new key.')
    return 0
  }
  return systemdRestartCommand(io, paths, run)
}

type FoundName =
  /** `lineToAdd`: the entry of a provider that the configuration lacks. */
  { kind: 'found'; name: string; lineToAdd?: string } | { kind: 'unknown'; message: string }

/**
 * The credential that the configuration names for a provider, or would name for one that it does not have yet.
 * @param provider also a credential of `notify` or `tracing`, by its name.
 */
export function findCredentialName(provider: string, file: string, env: NodeJS.ProcessEnv): FoundName {
  const unknown = (message: string): FoundName => ({ kind: 'unknown', message })
  const read = readPartialConfig(file, env)
  if (read.kind === 'unreadable') {
    return unknown(
      `${printable(file)}: ${printable(read.message)}. To create a configuration, run: ${ownCommand(env)} systemd install`,
    )
  }
  const { providers, otherCredentials } = read.config
  if (!providers.has(provider)) {
    if (isCredentialName(provider) && otherCredentials.includes(provider)) {
      return { kind: 'found', name: provider }
    }
    const entry = entryToAdd(provider, providers.keys())
    if (entry === undefined) return unknown(printable(unknownProvider(provider, file, providers.keys())))
    return { kind: 'found', name: exampleCredential(provider), lineToAdd: entry }
  }
  const name = providers.get(provider)
  if (name === undefined) {
    return unknown(
      `The provider "${printable(provider)}" does not refer to a credential. Add this to its entry in ${printable(file)}: api_key: { credential: ${exampleCredential(provider)} }`,
    )
  }
  if (!isCredentialName(name)) {
    return unknown(`"${printable(name)}" is not a valid name for a credential file.`)
  }
  return { kind: 'found', name }
}
