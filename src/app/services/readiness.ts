// Whether the server of a service takes calls: one GET of a path that answers only then, and a look at whose program it is that
// listens there.
import { defaults } from '../../config/defaults.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import type { Clock } from '../../platform/clock.ts'
import { createProbe, type ProbeOutcome } from '../../upstream/probe.ts'
import type { Readiness } from '../../upstream/services/readiness-probes.ts'
import { portOwner } from './port-owner.ts'

const limits = { maxBytes: 65_536, timeoutMs: 2_000 }

interface ProbeParts {
  readonly userAgent: string
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  readonly onBug: (error: unknown) => void
  /** Receives what it got, for people: `status 503`, `ECONNREFUSED`, `timeout`. */
  readonly onOutcome?: (outcome: string) => void
  readonly ownerOf?: typeof portOwner
}

/** Below the provider's base URL; below the server's root with a second slash. */
export function readyPathOf({ kind, service }: Pick<HttpProvider, 'kind' | 'service'>): string {
  return service?.readyPath === undefined ? defaults.healthPaths[kind] : `/${service.readyPath}`
}

/**
 * Whether a server that answers the ready path with this status takes calls. One that refuses the key does: servers check keys once they
 * serve, and calls then report what is wrong with it, where a service that is never ready would hide it.
 */
export function isReadyStatus(status: number): boolean {
  return (status >= 200 && status < 300) || status === 401 || status === 403
}

/**
 * One probe, over a connection of its own, with neither the key nor the headers of the configuration: what answers may be another
 * program on the server's port. Never rejects.
 * @param uid of the server's unit. Undefined: not known yet. @param onBug is called with what was thrown while its answer was handled.
 */
export async function probeReadiness(
  config: HttpProvider,
  uid: number | undefined,
  { userAgent, clock, onBug, onOutcome, ownerOf = portOwner }: ProbeParts,
): Promise<Readiness> {
  const { apiKey: _, ...rest } = config
  const bare = createProbe({ ...rest, apiKey: undefined, headers: [] }, userAgent, clock.now, clock.setTimer)
  try {
    const outcome = await bare.send({ path: readyPathOf(config), ...limits })
    onOutcome?.(outcomeText(outcome))
    const { head, kind } = outcome
    if (kind === 'failed' || !isReadyStatus(head.status) || uid === undefined) return 'not-yet'
    const owner = ownerOf(config.origin, uid)
    return owner === 'own' ? 'ready' : owner === 'foreign' ? 'port-taken' : 'not-yet'
  } catch (error) {
    onBug(error)
    return 'not-yet'
  } finally {
    await bare.close()
  }
}

function outcomeText(outcome: ProbeOutcome): string {
  if (outcome.kind !== 'failed') return `status ${outcome.head.status}`
  const { kind, code } = outcome.failure
  return kind === 'timeout' ? kind : code
}
