// Which machine this is among those that share a store: a random name, kept in the state directory.
import { randomId } from '../../platform/random-id.ts'
import { StateFile } from '../../platform/state-file.ts'

/**
 * The same after each restart; where nothing can be kept, another one each time.
 * @param stateDirectory undefined: there is none.
 * @param onFault called with what keeps it from being written.
 */
export async function machineId(
  stateDirectory: string | undefined,
  onFault: (cause: unknown) => void,
): Promise<string> {
  if (stateDirectory === undefined) return randomId()
  const file = new StateFile(stateDirectory, 'machine-id')
  const found = file.read()
  const kept = found.kind === 'read' ? found.text.trim() : ''
  if (/^[0-9a-f]{24}$/.test(kept)) return kept
  const id = randomId()
  await file.replace(`${id}\n`).catch(onFault)
  return id
}
