// What this machine is called among those that share limits: the same after a restart, and unlike any other's.
import { createHash, randomBytes } from 'node:crypto'
import { realpathSync, statSync } from 'node:fs'
import { StateFile } from '../../platform/state-file.ts'

const pattern = /^[0-9a-f]{24}$/

/**
 * The machine's id, which the state directory keeps; without one, or where it cannot be written, it is new at each start.
 * @param onFault told why it is not kept.
 */
export async function machineId(
  stateDirectory: string | undefined,
  onFault: (cause: unknown) => void,
): Promise<string> {
  const file =
    stateDirectory === undefined ? undefined : new StateFile(stateDirectory, 'machine', { isSynced: true })
  const read = file?.read()
  if (read?.kind === 'read' && pattern.test(read.text.trim())) return read.text.trim()
  const id = randomBytes(12).toString('hex')
  await file?.replace(`${id}\n`).catch(onFault)
  return id
}

/** Tells a state directory from a copy of it on another disk, in another place or on another machine. Undefined: there is none. */
export function placeOf(stateDirectory: string | undefined): string | undefined {
  if (stateDirectory === undefined) return undefined
  try {
    const { dev, ino } = statSync(stateDirectory)
    const place = `${realpathSync(stateDirectory)} ${dev} ${ino}`
    return createHash('sha256').update(place).digest().subarray(0, 9).toString('base64url')
  } catch {
    return undefined
  }
}
