// `llm-gateway key publisher create`: the Ed25519 pair with which one machine signs the keys of all. The private key goes into a
// file of its own, which the gateway does not read; where the service runs as another user, it cannot.
import { generateKeyPairSync } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { publicPart } from '../clients/keys/signed-keys.ts'
import { findConfigFile, packagedConfigFile } from '../config/find.ts'
import { printable } from '../platform/printable.ts'
import { fail } from './key-command.ts'
import { openKeyOutput } from './key-output.ts'
import { type CommandIo, Output } from './output.ts'

export interface PublisherOptions {
  readonly config?: string
  readonly to?: string
}

/** @returns the exit status: 0 when the private key is in its file. */
export async function keyPublisherCreateCommand(
  io: CommandIo,
  { config, to }: PublisherOptions,
): Promise<number> {
  const configFile = findConfigFile(config, io.env)
  if (to === undefined && configFile === packagedConfigFile())
    return fail(io, 'there is no configuration file, beside which the key would be; name a file with --to')
  const path = resolve(to ?? join(dirname(resolve(configFile)), 'keys-signer.key'))
  const { privateKey } = generateKeyPairSync('ed25519')
  const text = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
  const output = openKeyOutput(io, path, text)
  if ('message' in output) return fail(io, output.message)
  const out = new Output(output.stream, io.env)
  out.line(
    `Made a key that signs, in ${printable(path)}, which only you may read. Keep a copy apart from this machine.`,
  )
  out.line('In rate_limit_settings.store of every machine, this one included:')
  out.line()
  out.line(`  keys_signed_by: [${publicPart(privateKey)}]`)
  out.line()
  out.line('and on this one alone:')
  out.line()
  out.line(`  sign_keys_with: { file: ${JSON.stringify(path)} }`)
  out.line()
  out.line('Then run llm-gateway key publish here, and restart the gateways.')
  return 0
}
