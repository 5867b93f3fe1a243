// What the process that starts model servers sends, checked before anything acts on it.
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { isAmount } from '../../platform/number-checks.ts'
import type { StarterMessage, UnitReport } from '../../platform/unit-report.ts'

/** Of one message. */
const maxReports = 1_000

/** In characters: the longest name of a unit is 255. */
const maxText = 512

/**
 * @param line without its line feed.
 * @returns undefined: it is no message of this version of the protocol. Members that are unknown are dropped.
 */
export function readStarterMessage(line: string): StarterMessage | undefined {
  const { kind, version, reports, isWhole, id, reason } = membersOf(parseJson(line))
  switch (kind) {
    case 'hello':
      return version === 1 ? { kind, version } : undefined
    case 'units': {
      if (!Array.isArray(reports) || reports.length > maxReports || typeof isWhole !== 'boolean')
        return undefined
      const read = reports.map(readReport)
      return read.every((report) => report !== undefined) ? { kind, reports: read, isWhole } : undefined
    }
    case 'alive':
      return { kind }
    case 'unusable':
      return reason === 'configuration' ? { kind, reason } : undefined
    case 'done':
      return isAmount(id) ? { kind, id } : undefined
    case 'refused':
      return isAmount(id) && isText(reason) ? { kind, id, reason } : undefined
    default:
      return undefined
  }
}

function readReport(value: unknown): UnitReport | undefined {
  const {
    service,
    unit,
    load,
    active,
    sub,
    result,
    exitStatus,
    restarts,
    invocation,
    activeSinceMs,
    memoryBytes,
    uid,
  } = membersOf(value)
  if (!isText(service) || !isText(unit) || !isText(load) || !isText(active) || !isText(sub)) return undefined
  if (!isText(result) || !isText(invocation) || !isAmount(restarts)) return undefined
  if (![exitStatus, activeSinceMs, memoryBytes, uid].every((each) => each === undefined || isAmount(each)))
    return undefined
  return {
    service,
    unit,
    load,
    active,
    sub,
    result,
    restarts,
    invocation,
    ...(isAmount(exitStatus) && { exitStatus }),
    ...(isAmount(activeSinceMs) && { activeSinceMs }),
    ...(isAmount(memoryBytes) && { memoryBytes }),
    ...(isAmount(uid) && { uid }),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxText
}
