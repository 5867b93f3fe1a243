// Whether commands reach the running gateway over its control socket.
import { askControl } from '../control-client.ts'
import type { Finding } from './finding.ts'

const subject = 'control socket'

/**
 * @param isRunning whether a gateway of this configuration was found otherwise.
 * @returns nothing where none runs.
 */
export async function examineControl(
  configFile: string,
  { env, isRunning }: { readonly env: NodeJS.ProcessEnv; readonly isRunning: boolean },
): Promise<Finding[]> {
  const answer = await askControl(env, 'GET /-/state', configFile)
  if (answer.kind === 'answered') {
    const { version, pid } = answer.body
    return [{ subject, state: 'ok', detail: `gateway ${String(version)} (pid ${String(pid)}) answers` }]
  }
  if (answer.kind === 'failed') return [{ subject, state: 'fail', detail: answer.message }]
  if (!isRunning) return []
  const detail = `a gateway runs, and none with this configuration listens at ${answer.paths.join(' or ')}`
  const fix = 'look for control_unavailable in its log, or run this as the user of the gateway'
  return [{ subject, state: 'warn', detail, fix }]
}
