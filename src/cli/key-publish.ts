// `llm-gateway key publish`: signs the key file of this machine as the next generation and puts it in force on all. It is what
// the commands that change keys do by themselves, for a file that was put here by other means, or after an emergency stop.
import { changeKeys, readKeys } from './key-file-access.ts'
import { recordAfterwards } from './audit-record.ts'
import { fail, type KeyParts, publishAndReport } from './key-command.ts'
import { findGateway, findKeyPlace, reportedKeys } from './key-place.ts'
import { type CommandIo, counted, Output } from './output.ts'

/** @returns the exit status: 0 when it is in force on all machines that are there. */
export async function keyPublishCommand(
  io: CommandIo,
  parts: KeyParts,
  config: string | undefined,
): Promise<number> {
  const place = findKeyPlace(config, io.env)
  if ('message' in place) return fail(io, place.message)
  const { sharedKeys, mode, path } = place
  if (mode === 'off') return fail(io, 'keys are off (keys.mode); nothing was changed')
  if (sharedKeys === undefined)
    return fail(
      io,
      'keys are of this machine alone: to share them, set rate_limit_settings.store with keys_signed_by (see docs/machines.md). Nothing was changed',
    )
  if (!sharedKeys.isSigner)
    return fail(io, 'this machine signs no keys; run this on the one that has sign_keys_with')
  const gateway = findGateway(place, io.env)
  const after = gateway === undefined ? undefined : reportedKeys(gateway)?.generation
  const changed = await changeKeys(path, { ...parts, after }, (keys) => ({
    kind: 'changed',
    keys,
    result: undefined,
  }))
  if (changed.kind === 'refused') return fail(io, changed.messages)
  const read = readKeys(path, parts.accounts)
  if (read.kind === 'read' && read.file.keys.length === 0)
    new Output(io.stderr, io.env).line('There are no keys in it: afterwards, none is valid on any machine.')
  else if (read.kind === 'read')
    new Output(io.stdout, io.env).line(`Signed ${counted(read.file.keys.length, 'key')} of ${path}.`)
  const status = await publishAndReport(io, parts, place, io.stdout)
  await recordAfterwards(io, { name: 'key.published', attributes: {} }, { ...place, env: io.env })
  return status
}
