// Conditions over counters and a state that a test sets, by a clock that it moves.
import {
  alertRules,
  type AlertRule,
  type AlertRuleSettings,
  type NotifyConfig,
} from '../../../src/config/observe-types.ts'
import { defaults } from '../../../src/config/defaults.ts'
import { Conditions } from '../../../src/observe/alerts/conditions.ts'
import type { GatewayState } from '../../../src/observe/alerts/gateway-state.ts'
import { Measures } from '../../../src/observe/alerts/measures.ts'
import type { Notice } from '../../../src/observe/alerts/notice.ts'
import type { CounterReader } from '../../../src/observe/metrics/counters.ts'
import type { CounterName } from '../../../src/observe/metrics/families.ts'

export const minuteMs = 60_000
export const startWallMs = 1_750_000_000_000

type Labels = Readonly<Record<string, string>>

export class TestCounters implements CounterReader {
  readonly #values = new Map<CounterName, Map<string, { labels: Labels; value: number }>>()

  add(name: CounterName, labels: Labels, by = 1): void {
    const series = this.#values.get(name) ?? new Map<string, { labels: Labels; value: number }>()
    this.#values.set(name, series)
    const key = JSON.stringify(labels)
    series.set(key, { labels, value: (series.get(key)?.value ?? 0) + by })
  }

  series(name: CounterName): Iterable<{ labels: Labels; value: number }> {
    return this.#values.get(name)?.values() ?? []
  }
}

export const usualSettings: Pick<NotifyConfig, 'repeatMs' | 'rules'> = {
  repeatMs: defaults.notify.repeat_ms,
  rules: new Map(
    alertRules.map((rule): [AlertRule, AlertRuleSettings] => {
      const {
        after_ms: afterMs,
        count,
        ratio,
        calls,
      } = { count: 0, ratio: 0, calls: 0, ...defaults.notify.rules[rule] }
      return [rule, { afterMs, count, ratio, calls }]
    }),
  ),
}

const allIsWell: GatewayState = {
  providers: [],
  services: [],
  reload: { isRefused: false, problems: 0 },
  budgets: [],
  degraded: [],
}

/** Begins after the quiet time of a start. */
export class Scene {
  counters = new TestCounters()
  conditions = new Conditions()
  state: GatewayState = allIsWell
  settings = usualSettings
  isQuiet = false
  nowMs = 1_000
  #measures = new Measures()
  readonly notices: Notice[] = []

  get wallMs(): number {
    return startWallMs + this.nowMs
  }

  /** Looks every 2 seconds until so much time has gone by. @returns what was reported meanwhile. */
  pass(ms: number): Notice[] {
    const before = this.notices.length
    const endMs = this.nowMs + ms
    this.look()
    while (this.nowMs + 2_000 <= endMs) {
      this.nowMs += 2_000
      this.look()
    }
    this.nowMs = endMs
    return this.notices.slice(before)
  }

  look(): void {
    this.#measures.record(this.counters, this.nowMs)
    const { nowMs, wallMs, isQuiet } = this
    const look = { measures: this.#measures, state: this.state }
    this.notices.push(...this.conditions.step(look, this.settings, { nowMs, wallMs, isQuiet }))
  }

  /** What another process makes of the saved conditions, after so much time, by counters that begin anew. */
  restart(afterMs = 0): void {
    const saved = this.conditions.save({ measures: this.#measures }, this)
    this.nowMs += afterMs
    this.counters = new TestCounters()
    this.#measures = new Measures()
    this.conditions = new Conditions()
    this.conditions.restore(saved, this)
  }

  with(state: Partial<GatewayState>): void {
    this.state = { ...allIsWell, ...state }
  }
}

/** `firing ProviderDown of ollama`. */
export function short({ kind, rule, subject }: Notice): string {
  return `${kind} ${rule} of ${subject}`
}
