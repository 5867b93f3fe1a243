// What `explain` shows of a server that systemd starts for its calls. Arguments of its command are left out: they may hold a key.
import { readyPathOf } from '../app/services/readiness.ts'
import type { HttpProvider } from '../config/provider-types.ts'
import type { ServicesConfig } from '../config/service-types.ts'
import { durationText } from '../platform/duration.ts'
import { requestTarget } from '../upstream/request-target.ts'

export interface ExplainedService {
  readonly unit: string
  readonly manager: ServicesConfig['manager']
  /** Of a transient unit. Absent: the unit is one that the manager knows. */
  readonly program?: string
  /** What it shares with others. Absent: nothing. */
  readonly group?: {
    readonly name: string
    readonly members: readonly string[]
    readonly running: number
    readonly minRunMs: number
    readonly maxRunMs: number
  }
  readonly readyUrl: string
  readonly startTimeoutMs: number
  /** Null: it is never stopped for that. */
  readonly stopAfterIdleMs: number | null
  readonly isKept: boolean
  readonly startsAtBoot: boolean
  readonly whenStarting: 'wait' | 'failover'
}

/** Undefined: the provider has none. */
export function explainService(
  provider: HttpProvider,
  { manager, groups }: ServicesConfig,
): ExplainedService | undefined {
  const { service, name } = provider
  if (service === undefined) return undefined
  const { unit, run, startTimeoutMs, stopAfterIdleMs = null, isKept, startsAtBoot, whenStarting } = service
  const found = [...groups].find(([, { members }]) => members.includes(name))
  return {
    unit,
    manager,
    ...(run !== undefined && { program: run.command[0]! }),
    ...(found !== undefined && { group: { name: found[0], ...found[1] } }),
    readyUrl: readyUrlOf(provider),
    startTimeoutMs,
    stopAfterIdleMs,
    isKept,
    startsAtBoot,
    whenStarting,
  }
}

/** Where a server on demand is asked whether it takes calls. */
export function readyUrlOf(provider: HttpProvider): string {
  return provider.origin + requestTarget(provider, readyPathOf(provider))
}

/** For people, by labels. */
export function serviceRows(service: ExplainedService): readonly (readonly [label: string, text: string])[] {
  const { unit, manager, program, group, readyUrl, startTimeoutMs } = service
  const whose = manager === 'user' ? "the user's" : "the system's"
  const what = program === undefined ? '' : `, transient, runs ${program}`
  return [
    ['service', `${unit} (${whose} systemd${what})`],
    ['starts', startText(service)],
    ['ready', `when ${readyUrl} answers with 2xx, 401 or 403, within ${durationText(startTimeoutMs)}`],
    ['stops', stopText(service)],
    ...(group === undefined ? [] : [['group', groupText(group, service.isKept)] as const]),
  ]
}

function startText({ startsAtBoot, whenStarting }: ExplainedService): string {
  const when = startsAtBoot ? 'with the gateway, and when a call comes' : 'when a call comes'
  const meanwhile =
    whenStarting === 'wait'
      ? 'which waits for it'
      : 'which goes to another target that is ready, if there is one'
  return `${when}, ${meanwhile}`
}

function stopText({ isKept, stopAfterIdleMs }: ExplainedService): string {
  if (isKept || stopAfterIdleMs === null) return 'never (keep)'
  return `after ${durationText(stopAfterIdleMs)} without a call`
}

function groupText(
  { name, members, running, minRunMs, maxRunMs }: NonNullable<ExplainedService['group']>,
  isKept: boolean,
): string {
  const room = `${name}: ${running} of ${members.join(', ')} at once`
  if (isKept) return `${room}; it does not make room for others`
  return `${room}; while others wait, it keeps its place for ${durationText(minRunMs)} to ${durationText(maxRunMs)} of callers`
}
