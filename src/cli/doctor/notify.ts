// Where messages to the operator go, and whether some could not be sent. Neither URLs nor keys are shown.
import { waitingNotices } from '../../app/waiting-notices.ts'
import type { NotifyConfig } from '../../config/observe-types.ts'
import { counted } from '../output.ts'
import type { StateDirectory } from '../state-directory.ts'
import type { Finding } from './finding.ts'

/** @param state of the running gateway; undefined: it is not known. @param command calls this program. */
export function examineNotify(
  { sinks, heartbeat }: NotifyConfig,
  { state, command }: { readonly state: Pick<StateDirectory, 'path'> | undefined; readonly command: string },
): Finding[] {
  const waiting = state === undefined ? new Map<string, number>() : waitingNotices(state.path)
  const findings = sinks.map(({ name, kind, url, token, minSeverity }): Finding => {
    const subject = `notify.sinks.${name}`
    const count = waiting.get(name) ?? 0
    if (count > 0) {
      const detail = `${counted(count, 'message')} could not be sent so far; notification_failed in the log has the reason`
      return { subject, state: 'warn', detail, fix: `${command} notify test ${name}` }
    }
    const places = [typeof url === 'string' ? undefined : url.source, token?.source]
    const from = places.filter((place) => place !== undefined)
    const detail = [
      `${kind}, from ${minSeverity} on`,
      ...(from.length === 0 ? [] : [from.join(' and ')]),
    ].join('; ')
    return { subject, state: 'ok', detail }
  })
  if (heartbeat === undefined) return findings
  const detail = `every ${heartbeat.intervalMs / 1000} s; ${heartbeat.url.source}`
  return [...findings, { subject: 'notify.heartbeat', state: 'ok', detail }]
}
