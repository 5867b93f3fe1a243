// What the conditions count: each look reads the counters once and sums them by what the conditions are about.
import type { CounterReader } from '../metrics/counters.ts'
import { isAnswerable, isFault, type Outcome } from '../outcome.ts'
import { Track } from './track.ts'

const minuteMs = 60_000

const notFailedAttempts: ReadonlySet<string> = new Set(['ok', 'client_error', 'gone'])

/** Of the whole gateway. */
export const wholeGateway = 'gateway'

export class Measures {
  /** By model. */
  readonly noTarget = new Track(5 * minuteMs)
  readonly ended = new Track(10 * minuteMs)
  readonly failed = new Track(10 * minuteMs)
  /** By provider. */
  readonly authRefusals = new Track(15 * minuteMs)
  readonly billingRefusals = new Track(15 * minuteMs)
  readonly rateLimited = new Track(10 * minuteMs)
  readonly attempts = new Track(10 * minuteMs)
  readonly answered = new Track(15 * minuteMs)
  readonly failedAttempts = new Track(15 * minuteMs)
  /** By model and dimension: `qwen, tokens`. */
  readonly limited = new Track(15 * minuteMs)
  /** By code. */
  readonly refusals = new Track(10 * minuteMs)
  /** Of the whole gateway. */
  readonly unreadablePeers = new Track(10 * minuteMs)
  readonly workerRestarts = new Track(60 * minuteMs)
  /** By what became of them: `sent`, `failed`, `dropped`. */
  readonly spans = new Track(15 * minuteMs)

  /** @param nowMs of a monotonic clock. */
  record(counters: CounterReader, nowMs: number): void {
    this.#recordCalls(counters, nowMs)
    this.#recordAttempts(counters, nowMs)
    const limited = new Sums()
    for (const { labels, value } of counters.series('limited_total')) {
      limited.add(`${labels['model']}, ${labels['dimension']}`, value)
    }
    this.limited.record(limited.bySubject, nowMs)
    const refusals = new Sums()
    for (const { labels, value } of counters.series('refusals_total')) {
      const code = labels['code'] ?? ''
      if (code.endsWith('_not_allowed')) refusals.add(code, value)
    }
    this.refusals.record(refusals.bySubject, nowMs)
    const spans = new Sums()
    for (const { labels, value } of counters.series('otlp_spans_total')) {
      spans.add(labels['result'] ?? '', value)
    }
    this.spans.record(spans.bySubject, nowMs)
    const ofAll = [
      [this.unreadablePeers, 'peer_users_unreadable_total'],
      [this.workerRestarts, 'worker_restarts_total'],
    ] as const
    for (const [track, name] of ofAll) {
      const sums = new Sums()
      for (const { value } of counters.series(name)) sums.add(wholeGateway, value)
      track.record(sums.bySubject, nowMs)
    }
  }

  #recordCalls(counters: CounterReader, nowMs: number): void {
    const noTarget = new Sums()
    const ended = new Sums()
    const failed = new Sums()
    for (const { labels, value } of counters.series('calls_total')) {
      const { model = '' } = labels
      const outcome = labels['outcome'] as Outcome
      if (!isAnswerable(outcome)) continue
      ended.add(model, value)
      if (isFault(outcome)) failed.add(model, value)
      if (outcome === 'no_target') noTarget.add(model, value)
    }
    this.ended.record(ended.bySubject, nowMs)
    this.failed.record(failed.bySubject, nowMs)
    this.noTarget.record(noTarget.bySubject, nowMs)
  }

  #recordAttempts(counters: CounterReader, nowMs: number): void {
    const byResult = new Map<string, Sums>()
    const all = new Sums()
    const answered = new Sums()
    const failed = new Sums()
    for (const { labels, value } of counters.series('attempts_total')) {
      const { provider = '', result = '' } = labels
      if (result === 'gone') continue
      all.add(provider, value)
      if (notFailedAttempts.has(result)) answered.add(provider, value)
      else failed.add(provider, value)
      const sums = byResult.get(result) ?? new Sums()
      byResult.set(result, sums)
      sums.add(provider, value)
    }
    const none = new Sums()
    this.attempts.record(all.bySubject, nowMs)
    this.answered.record(answered.bySubject, nowMs)
    this.failedAttempts.record(failed.bySubject, nowMs)
    this.authRefusals.record((byResult.get('auth') ?? none).bySubject, nowMs)
    this.billingRefusals.record((byResult.get('billing') ?? none).bySubject, nowMs)
    this.rateLimited.record((byResult.get('rate_limit') ?? none).bySubject, nowMs)
  }
}

class Sums {
  readonly bySubject = new Map<string, number>()

  add(subject: string, value: number): void {
    this.bySubject.set(subject, (this.bySubject.get(subject) ?? 0) + value)
  }
}
