// The conditions as they stand: clear → pending → firing → clear, one state machine for each rule and subject. A state is
// reported when it changes, and again while it lasts; never each event that led to it.
import { alertRules, type AlertRule, type NotifyConfig } from '../../config/observe-types.ts'
import { bounded } from '../../platform/bounded-text.ts'
import { durationText } from '../../platform/duration.ts'
import { type Attention, compareSeverity, type Severity } from './attention.ts'
import type { Notice } from './notice.ts'
import { type Cause, type Look, type Rule, rules } from './rules.ts'

type Settings = Pick<NotifyConfig, 'repeatMs' | 'rules'>

/** Times are of a monotonic clock. */
interface Condition {
  readonly rule: AlertRule
  readonly subject: string
  /** `clear`: it is remembered for the sake of its changes. */
  state: 'pending' | 'firing' | 'clear'
  cause: Omit<Cause, 'subject'>
  /** Since when its cause was there. */
  sinceMs: number
  /** When the cause was last there. */
  causeMs: number
  /** When it was reported last. */
  sentMs: number
  /** When it fired and cleared, within the last hour. */
  changesMs: number[]
  isUnsteady: boolean
  /** Of the rule's tally, when the cause appeared. */
  tallyBefore: number
  /** Over by evidence, while the quiet after a start holds back that it clears. */
  seemsOver: boolean
}

/** A condition as it is saved: firing, or cleared not long ago. Times are milliseconds since 1970. */
export interface SavedCondition {
  readonly rule: AlertRule
  readonly subject: string
  readonly state: 'firing' | 'clear'
  readonly severity: Severity
  readonly what: string
  readonly why: string
  readonly fix: string
  readonly sinceMs: number
  readonly sentMs: number
  readonly changesMs: readonly number[]
  readonly isUnsteady: boolean
  /** What the rule's tally has counted since. */
  readonly tallied: number
}

interface Now {
  /** Of a monotonic clock. */
  readonly nowMs: number
  /** Since 1970. */
  readonly wallMs: number
  /** Causes are noted, and nothing fires or clears. */
  readonly isQuiet: boolean
}

const hourMs = 3_600_000
/** The third change within an hour makes a condition unsteady. */
const unsteadyChanges = 3
/** What has not changed for so long is steady again. */
const steadyMs = 1_800_000
const maxTextLength = 300

/** Beyond so many, further subjects are not followed. */
const maxConditions = 1_000

export class Conditions {
  readonly #conditions = new Map<string, Condition>()

  /** @returns what has changed, and what is to be repeated. */
  step(look: Look, { rules: settings, repeatMs }: Settings, now: Now): Notice[] {
    const notices: Notice[] = []
    for (const name of alertRules) {
      const chosen = settings.get(name)
      if (chosen === undefined) continue
      for (const cause of rules[name].causes(look, chosen)) {
        const condition = this.#noted(name, cause, look, now)
        if (condition === undefined) continue
        const notice = this.#held(condition, { cause, afterMs: chosen.afterMs, repeatMs, now })
        if (notice !== undefined) notices.push(notice)
      }
    }
    for (const [key, condition] of this.#conditions) {
      if (!settings.has(condition.rule)) this.#conditions.delete(key)
      else if (condition.causeMs !== now.nowMs) notices.push(...this.#withoutCause(key, condition, look, now))
    }
    return notices
  }

  /** The most severe first. */
  attention({ nowMs, wallMs }: Omit<Now, 'isQuiet'>): Attention[] {
    return [...this.#conditions.values()]
      .flatMap(({ rule, subject, state, cause, sinceMs, seemsOver }): Attention[] =>
        state === 'clear' || seemsOver
          ? []
          : [
              {
                rule: rules[rule].alert,
                subject: bounded(subject, maxTextLength),
                severity: cause.severity,
                state,
                since: isoOf(wallMs - (nowMs - sinceMs)),
                what: cause.what,
                why: cause.detail ?? cause.why,
                fix: cause.fix,
              },
            ],
      )
      .toSorted((one, other) => compareSeverity(other.severity, one.severity))
  }

  /** What is firing, as it is reported to services that keep no state for long. */
  firing({ nowMs, wallMs }: Omit<Now, 'isQuiet'>): Notice[] {
    return [...this.#conditions.values()]
      .filter(({ state }) => state === 'firing')
      .map((condition) => noticeOf(condition, 'repeated', { nowMs, wallMs }))
  }

  save(look: Pick<Look, 'measures'>, { nowMs, wallMs }: Omit<Now, 'isQuiet'>): SavedCondition[] {
    const wallOf = (ms: number) => Math.round(wallMs - (nowMs - ms))
    return [...this.#conditions.values()].flatMap((condition): SavedCondition[] => {
      const { rule, subject, state, cause, sinceMs, sentMs, changesMs, isUnsteady } = condition
      if (state === 'pending') return []
      const { severity, what, why, fix } = cause
      const times = { sinceMs: wallOf(sinceMs), sentMs: wallOf(sentMs), changesMs: changesMs.map(wallOf) }
      const tallied = talliedBy(condition, look)
      return [{ rule, subject, state, severity, what, why, fix, ...times, isUnsteady, tallied }]
    })
  }

  /** Goes on from what the last process has saved. */
  restore(saved: readonly SavedCondition[], { nowMs, wallMs }: Omit<Now, 'isQuiet'>): void {
    const monotonic = (ms: number) => nowMs - Math.max(0, wallMs - ms)
    for (const { severity, what, why, fix, tallied, ...rest } of saved.slice(0, maxConditions)) {
      this.#conditions.set(keyOf(rest.rule, rest.subject), {
        ...rest,
        cause: { severity, what, why, fix },
        sinceMs: monotonic(rest.sinceMs),
        sentMs: monotonic(rest.sentMs),
        changesMs: rest.changesMs.map(monotonic),
        causeMs: nowMs,
        tallyBefore: -tallied,
        seemsOver: false,
      })
    }
  }

  /** The condition of a cause that is there. Undefined: there are too many. */
  #noted(
    rule: AlertRule,
    { subject, severity, ...texts }: Cause,
    look: Look,
    { nowMs }: Now,
  ): Condition | undefined {
    const key = keyOf(rule, subject)
    const before = this.#conditions.get(key)
    const cause = {
      severity: before?.state === 'firing' ? before.cause.severity : severity,
      what: bounded(texts.what, maxTextLength),
      why: bounded(texts.why, maxTextLength),
      detail: texts.detail && bounded(texts.detail, maxTextLength),
      fix: bounded(texts.fix, maxTextLength),
    }
    if (before !== undefined && before.state !== 'clear')
      return Object.assign(before, { cause, causeMs: nowMs, seemsOver: false })
    if (before === undefined && this.#conditions.size >= maxConditions) return undefined
    const condition: Condition = {
      rule,
      subject,
      state: 'pending',
      cause,
      sinceMs: nowMs,
      causeMs: nowMs,
      sentMs: before?.sentMs ?? -Infinity,
      changesMs: before?.changesMs ?? [],
      isUnsteady: before?.isUnsteady ?? false,
      tallyBefore: talliedBefore(rules[rule], subject, look),
      seemsOver: false,
    }
    this.#conditions.set(key, condition)
    return condition
  }

  #held(
    condition: Condition,
    of: { readonly cause: Cause; readonly afterMs: number; readonly repeatMs: number; readonly now: Now },
  ): Notice | undefined {
    const { cause, afterMs, repeatMs, now } = of
    if (condition.state === 'pending') {
      if (now.isQuiet || now.nowMs - condition.sinceMs < afterMs) return undefined
      condition.state = 'firing'
      return this.#changed(condition, 'firing', now)
    }
    const isWorse = compareSeverity(cause.severity, condition.cause.severity) > 0
    // A service that was sent the worst of it is sent its end, too.
    if (isWorse) condition.cause = { ...condition.cause, severity: cause.severity }
    if (now.isQuiet) return undefined
    if (isWorse) return sent(condition, 'firing', now)
    if (now.nowMs - condition.sentMs < repeatMs) return undefined
    return sent(condition, 'repeated', now)
  }

  *#withoutCause(key: string, condition: Condition, look: Look, now: Now): Generator<Notice> {
    const { rule, subject, state, changesMs } = condition
    if (state === 'pending') {
      this.#forgetPending(key, condition)
      return
    }
    const isEvident = state === 'firing' && rules[rule].hasRecovered(subject, look)
    condition.seemsOver = isEvident
    if (now.isQuiet) return
    const lastChangeMs = changesMs.at(-1) ?? -Infinity
    if (state === 'clear') {
      const isSteady = now.nowMs - lastChangeMs >= steadyMs
      if (condition.isUnsteady && isSteady) {
        condition.isUnsteady = false
        yield sent(condition, 'recovered', now)
      }
      if (now.nowMs - lastChangeMs >= hourMs) this.#conditions.delete(key)
      return
    }
    if (!isEvident && now.nowMs - condition.causeMs < rules[rule].clearAfterMs) return
    condition.seemsOver = false
    condition.state = 'clear'
    const away = `It lasted ${durationText(now.nowMs - condition.sinceMs)}`
    const tallied = talliedBy(condition, look)
    const { tally } = rules[rule]
    condition.cause = {
      ...condition.cause,
      why: tally === undefined || tallied <= 0 ? `${away}.` : `${away}; ${tallied} ${tally.noun}.`,
      fix: '',
    }
    const notice = this.#changed(condition, 'recovered', now)
    if (notice !== undefined) yield notice
  }

  /** What did not last is forgotten, but for changes before it. */
  #forgetPending(key: string, condition: Condition): void {
    if (condition.changesMs.length === 0) this.#conditions.delete(key)
    else condition.state = 'clear'
  }

  /** Of an unsteady condition, changes are not reported. */
  #changed(condition: Condition, kind: 'firing' | 'recovered', now: Now): Notice | undefined {
    condition.changesMs = [...condition.changesMs.filter((ms) => now.nowMs - ms < hourMs), now.nowMs]
    if (condition.isUnsteady) return undefined
    if (condition.changesMs.length < unsteadyChanges) return sent(condition, kind, now)
    condition.isUnsteady = true
    return sent(condition, 'unsteady', now)
  }
}

function sent(condition: Condition, kind: Notice['kind'], now: Now): Notice {
  condition.sentMs = now.nowMs
  return noticeOf(condition, kind, now)
}

function noticeOf(
  { rule, subject, cause, sinceMs }: Condition,
  kind: Notice['kind'],
  { nowMs, wallMs }: Omit<Now, 'isQuiet'>,
): Notice {
  const { severity, what, why, fix } = cause
  return {
    kind,
    rule: rules[rule].alert,
    subject: bounded(subject, maxTextLength),
    at: isoOf(wallMs),
    since: isoOf(wallMs - (nowMs - sinceMs)),
    severity,
    what,
    why,
    fix,
  }
}

function totalOf({ tally }: Rule, subject: string, { measures }: Pick<Look, 'measures'>): number {
  return tally === undefined ? 0 : tally.of(measures).total(subject)
}

/** The rises that are the cause count already. */
function talliedBefore({ tally }: Rule, subject: string, { measures }: Look): number {
  if (tally === undefined) return 0
  const track = tally.of(measures)
  return track.total(subject) - track.increase(subject)
}

function talliedBy({ rule, subject, tallyBefore }: Condition, look: Pick<Look, 'measures'>): number {
  return totalOf(rules[rule], subject, look) - tallyBefore
}

function keyOf(rule: AlertRule, subject: string): string {
  return `${rule}\n${subject}`
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
