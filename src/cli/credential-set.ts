// `llm-gateway credential set PROVIDER` and `rotate PROVIDER`: takes a key in, and has the service get it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { readPartialConfig } from '../config/partial-config.ts'
import { secretFault } from '../config/secrets.ts'
import { closestName } from '../did-you-mean.ts'
import {
  credentialsDropIn,
  isCredentialName,
  listCredentials,
  renderDropIn,
  storeCredential,
} from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type Places, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { type CommandIo, Output, printable } from './output.ts'
import { ownCommand } from './own-command.ts'
import { readSecret, type SecretInput } from './read-secret.ts'

export type CredentialIo = CommandIo & { readonly stdin: SecretInput }

export interface SetOptions {
  readonly provider: string
  readonly config: string | undefined
  /** Restart the service, so that it uses the new key from the next call on. */
  readonly isRotation: boolean
}

/** The exit code: 0 when the key is stored (and, for a rotation, in use). The key appears nowhere else. */
export async function credentialSetCommand(
  io: CredentialIo,
  places: Places,
  { provider, config, isRotation }: SetOptions,
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const err = new Output(io.stderr, io.env)
  const file = config ?? places.configFile
  const found = credentialOf(provider, file, io.env)
  if (found.kind === 'unknown') {
    err.line(found.message)
    return 1
  }
  const { name } = found
  const value = await readSecret(io.stdin, (text) => io.stderr.write(text))
  const fault = value === undefined ? 'was not given' : secretFault(value)
  if (value === undefined || fault !== undefined) {
    err.line(`The key ${fault}. Nothing was changed.`)
    return 1
  }
  const stored = storeCredential(places, { name, value }, run)
  const dropIn = credentialsDropIn(places)
  mkdirSync(dirname(dropIn), { recursive: true })
  writeFileSync(dropIn, renderDropIn(listCredentials(places.credentialsDirectory)), { mode: 0o644 })
  const how = stored.isEncrypted ? "encrypted with this machine's key" : 'mode 0600, not encrypted'
  out.line(`Stored ${name} in ${printable(stored.path)} (${how}).`)

  const scope = places.scope === 'user' ? ['--user'] : []
  run('systemctl', [...scope, 'daemon-reload'])
  // The unit may have given up for want of this key.
  run('systemctl', [...scope, 'reset-failed', serviceUnit, socketUnit])
  if (!isRotation) {
    out.line(`To use it: ${places.systemctl} restart llm-gateway`)
    return 0
  }
  const { status, stderr } = run('systemctl', [...scope, 'try-restart', serviceUnit])
  if (status !== 0) {
    err.line(`The restart failed: ${printable(stderr.trim())}. The service may still use the old key.`)
    return 1
  }
  out.line('The service has restarted with it, if it ran; the socket kept the calls that came meanwhile.')
  return 0
}

type FoundName = { kind: 'found'; name: string } | { kind: 'unknown'; message: string }

function credentialOf(provider: string, file: string, env: NodeJS.ProcessEnv): FoundName {
  const unknown = (message: string): FoundName => ({ kind: 'unknown', message })
  const read = readPartialConfig(file, env)
  if (read.kind === 'unreadable') {
    return unknown(
      `${printable(file)}: ${printable(read.message)}. ${ownCommand(env)} systemd install makes one.`,
    )
  }
  const { providers } = read.config
  if (!providers.has(provider)) {
    const near = closestName(provider, providers.keys())
    const hint =
      near === undefined ? `There is: ${[...providers.keys()].join(', ')}` : `Did you mean "${near}"?`
    return unknown(`There is no provider "${printable(provider)}" in ${printable(file)}. ${printable(hint)}`)
  }
  const name = providers.get(provider)
  if (name === undefined) {
    const example = `${provider.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')}_api_key`
    return unknown(
      `The provider "${printable(provider)}" takes no credential. Write in ${printable(file)}, in its entry: api_key: { credential: ${example} }`,
    )
  }
  if (!isCredentialName(name)) return unknown(`"${printable(name)}" can't be the name of a credential file.`)
  return { kind: 'found', name }
}
