// What this machine is called among those that share limits: the same after a restart, and unlike any other's.
import { randomBytes } from 'node:crypto'
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
