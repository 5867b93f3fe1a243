// One thing that fails while gateways that share limits are under load, for two minutes: how much the worst minute has. Calls go
// to all gateways from the beginning; the failure comes after 20 s, when the limit is used up, unless a scenario says otherwise.
import { setTimeout as sleep } from 'node:timers/promises'

import type { Cleanup } from '../support/scripted-upstream.ts'
import type { Load } from './callers.ts'
import { Fleet, type FleetOptions } from './fleet.ts'

export interface Scenario {
  readonly name: string
  /** By default three gateways, with `share` and 30 requests a minute. */
  readonly options?: (t: Cleanup) => Partial<FleetOptions>
  /** Where it runs. Default: `Fleet.start`. */
  readonly start?: (t: Cleanup, options: FleetOptions) => Promise<Fleet>
  readonly load?: Partial<Load>
  /** From the first call to the failure. Default: 20,000, when the limit is used up. */
  readonly beforeMs?: number
  /** Goes on while calls do. Default: nothing fails. */
  readonly fail?: (fleet: Fleet, t: Cleanup) => Promise<unknown>
  /** The most that a minute may have. Default: the limit. */
  readonly most?: number
  /** The limit is more than a busy machine may reach: it need not be used unless calls are refused. */
  readonly isBeyondReach?: true
}

/** Of the gateways of a scenario that says nothing else. */
export const limit = 30
export const share = limit / 3
const [usualBeforeMs, afterMs] = [20_000, 100_000]
export const scenarioSeconds = (usualBeforeMs + afterMs) / 1_000 + 30

/** Of a hundred calls a minute and more, most are refused. */
export const slow: Partial<Load> = { callers: 2, pauseMs: 200, refusedPauseMs: 250 }

export const refuse = () => ({ whenUnavailable: 'refuse' }) as const

/** Prints what it has seen. @returns what is not as it is to be. */
export async function run(scenario: Scenario): Promise<string | undefined> {
  const {
    name,
    options,
    load,
    fail,
    beforeMs = usualBeforeMs,
    isBeyondReach = false,
    start = Fleet.start.bind(Fleet),
  } = scenario
  const ends: (() => unknown)[] = []
  const t = { after: (end: () => unknown) => void ends.push(end) }
  try {
    const settings = { count: 3, limits: { rpm: limit }, ...options?.(t) }
    const { rpm = limit } = settings.limits
    const { most = rpm } = scenario
    const fleet = await start(t, settings)
    fleet.call(() => ({ ...slow, ...load }))
    await sleep(beforeMs)
    await Promise.all([fail?.(fleet, t), sleep(afterMs)])
    const { losses } = fleet
    const { requests, late, total, perGateway, delayMs, statuses } = await fleet.end()
    process.stdout.write(
      `machines: ${name}: at worst ${requests} in a minute, at most ${most}; ${JSON.stringify({ late, total, perGateway, losses, delayMs: Math.ceil(delayMs), statuses })}\n`,
    )
    // A machine that is busy loses the store too, by which each gateway has its part.
    const isMany = most > rpm && losses > fleet.gateways.length * 6
    // On a busy machine a call may be long on its way after its admission.
    const doubt = settings.limits.when_limited === 'wait' ? 0 : late
    if (requests - doubt > most && !isMany) return `${name}: ${requests} of ${most}`
    const isReached = !isBeyondReach || statuses['429'] !== undefined
    return isReached && total < rpm * 0.9 ? `${name}: only ${total} calls came through` : undefined
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}
