// `llm-gateway credential remove PROVIDER`: removes a stored key, and stops passing it to the service.
import { removeCredential, updateDropIns } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths } from '../systemd/scope.ts'
import { findCredentialName } from './credential-set.ts'
import { type CommandIo, Output } from './output.ts'
import { printable } from '../platform/printable.ts'
import { exampleCredential } from './suggest.ts'

/** @returns the exit status: 0 when the key is removed, 1 when none is stored. */
export async function credentialRemoveCommand(
  io: CommandIo,
  paths: ServicePaths,
  { provider, config }: { readonly provider: string; readonly config: string | undefined },
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  // The provider may have been removed from the configuration before its key.
  const found = findCredentialName(provider, config ?? paths.configFile, io.env)
  const names = [found.kind === 'found' ? found.name : exampleCredential(provider), provider]
  const name = names.find((each) => removeCredential(paths, each))
  if (name === undefined) {
    const err = new Output(io.stderr, io.env)
    err.line(`No key is stored for ${printable(provider)} in ${printable(paths.credentialsDirectory)}.`)
    return 1
  }
  updateDropIns(paths)
  run('systemctl', [...scopeOptions(paths.scope), 'daemon-reload'])
  out.line(`Removed ${printable(name)}. A running service has its copy until it restarts.`)
  return 0
}
