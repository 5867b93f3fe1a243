// Examines where a server that systemd starts listens: while its unit is stopped, nothing else may, and while it is active, the
// path that shows that it takes calls has to answer.
import { isReadyStatus, readyPathOf } from '../../app/services/readiness.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import type { Clock } from '../../platform/clock.ts'
import { durationText } from '../../platform/duration.ts'
import { createProbe, type Probe } from '../../upstream/probe.ts'
import { readyUrlOf } from '../explain-service.ts'
import type { Finding } from './finding.ts'
import { describeListener } from './listening-program.ts'
import type { ModelServer } from './model-servers.ts'

export interface ReadyParts {
  readonly userAgent: string
  readonly now: Clock['now']
  /** Milliseconds of CLOCK_MONOTONIC, by which the manager dates its units. */
  readonly monotonicMs: () => number
  readonly command: string
  /** Another server may be at the same address while this one is stopped: they take turns. */
  readonly sharesPort: boolean
}

/** Like the gateway's own probes. */
const timeoutMs = 2_000

/** @returns findings about its address, and whether the server takes calls. */
export async function examineReady(
  config: HttpProvider,
  server: ModelServer,
  parts: ReadyParts,
): Promise<{ findings: Finding[]; isReady: boolean }> {
  const probe = createProbe(config, parts.userAgent, parts.now)
  try {
    const { isReady, ...found } =
      server.state === 'active'
        ? await examineActive(config, server, probe, parts)
        : await examineStopped(config, server, probe, parts)
    const figures = { provider: config.name }
    return { findings: [{ subject: `${config.name}: ready`, figures, ...found }], isReady }
  } finally {
    await probe.close()
  }
}

type Found = Omit<Finding, 'subject'> & { readonly isReady: boolean }

async function examineStopped(
  config: HttpProvider,
  { state }: ModelServer,
  probe: Probe,
  { command, sharesPort }: ReadyParts,
): Promise<Found> {
  const { name, origin, service } = config
  const notAsked = { isReady: false, state: 'skipped' } as const
  if (state === 'unknown') return { ...notAsked, detail: 'not asked, because of its unit' }
  if (state === 'changing') return { ...notAsked, detail: 'not asked while its unit changes' }
  const stopped = `it does not run; to examine it, start it first: ${command} services start ${name}`
  if (sharesPort || (await probe.connect(timeoutMs)) !== undefined) return { ...notAsked, detail: stopped }
  const { hostname, port, protocol } = new URL(origin)
  const host = hostname === 'localhost' ? '127.0.0.1' : hostname.replace(/^\[|\]$/g, '')
  const holder = describeListener(host, Number(port || (protocol === 'https:' ? 443 : 80)))
  return {
    isReady: false,
    state: 'fail',
    detail: `${origin} is taken by ${holder}, while ${service!.unit} does not run: the server finds its port in use`,
    fix: `stop that program, or choose another port in the unit and in providers.${name}.base_url`,
  }
}

async function examineActive(
  config: HttpProvider,
  { activeSinceMs }: ModelServer,
  probe: Probe,
  { monotonicMs }: ReadyParts,
): Promise<Found> {
  const { name, service } = config
  const { unit, startTimeoutMs } = service!
  const url = readyUrlOf(config)
  const outcome = await probe.send({ path: readyPathOf(config), timeoutMs, maxBytes: 65_536 })
  const status = outcome.kind === 'failed' ? undefined : outcome.head.status
  if (status !== undefined && isReadyStatus(status)) {
    return { isReady: true, state: 'ok', detail: `${url} answers with ${status}` }
  }
  const what =
    outcome.kind === 'failed'
      ? `${url} does not answer (${probe.mask(outcome.failure.detail)})`
      : `${url} answers with ${status}`
  const activeMs = activeSinceMs === undefined ? undefined : monotonicMs() - activeSinceMs
  if (activeMs !== undefined && activeMs < startTimeoutMs) {
    const detail = `${what}: it has been starting for ${durationText(activeMs)}, of ${durationText(startTimeoutMs)} that it may take`
    return { isReady: false, state: 'warn', detail, fix: 'try again once it has started' }
  }
  const since = activeMs === undefined ? 'is active' : `has been active for ${durationText(activeMs)}`
  const place = `providers.${name}`
  const fix =
    outcome.kind === 'failed'
      ? `check that the server of ${unit} listens where ${place}.base_url says`
      : `set ${place}.service.ready to a path that answers with 2xx once the server takes calls`
  return { isReady: false, state: 'fail', detail: `${what}, and ${unit} ${since}: no call gets to it`, fix }
}
