// The budget of llm-gateway, and how a run stands against it.
import type { Sample } from './figure.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface Target {
  readonly title: string
  readonly figure: string
  /** What it is divided by, round by round; absent: the value itself counts. */
  readonly over?: { readonly contender: string; readonly figure: string }
  readonly unit: string
  /** True where the value is to be at least so much; else at most. */
  readonly isMoreBetter?: boolean
  readonly target: number
  readonly stretch: number
}

/** @param own name under which our values are kept. */
export function targetsOf(own: string): readonly Target[] {
  const over = (figure: string, contender: string) => ({ figure, over: { contender, figure }, unit: '' })
  const within = (figure: string, base: string) => ({
    figure,
    over: { contender: own, figure: base },
    unit: '',
  })
  return [
    {
      title: 'CPU per plain chat call, relative to Caddy',
      ...over('call_cpu', 'Caddy'),
      target: 1,
      stretch: 0.75,
    },
    {
      title: 'CPU per plain chat call, relative to bare Node',
      ...over('call_cpu', 'Node'),
      target: 1.9,
      stretch: 1.5,
    },
    {
      title: 'CPU per translated call (Messages to chat), relative to one passed through',
      ...within('translated_call', 'passed_call'),
      target: 1.5,
      stretch: 1.25,
    },
    {
      title: 'CPU per streamed event, relative to bare Node',
      ...over('event_cpu', 'Node'),
      target: 1.15,
      stretch: 1.05,
    },
    {
      title: 'CPU per translated event, relative to one passed through',
      ...within('translated_event', 'passed_event'),
      target: 1.6,
      stretch: 1.3,
    },
    {
      title: 'added latency, one connection, p50, relative to nginx',
      ...over('latency_p50', 'nginx'),
      target: 2,
      stretch: 1.3,
    },
    {
      title: 'first event, p99, relative to bare Node',
      ...over('first_event_p99', 'Node'),
      target: 3,
      stretch: 1.5,
    },
    {
      title: 'throughput at 256 connections, relative to 32',
      ...within('throughput_256', 'throughput_32'),
      isMoreBetter: true,
      target: 0.85,
      stretch: 0.95,
    },
    {
      title: 'time to open thousands of streams, relative to bare Node',
      ...over('opening', 'Node'),
      target: 1.5,
      stretch: 1.1,
    },
    { title: 'memory per open stream', figure: 'stream_memory', unit: 'KiB', target: 36, stretch: 20 },
    { title: 'idle memory', figure: 'idle_memory', unit: 'MiB', target: 100, stretch: 75 },
    { title: 'start to ready', figure: 'ready', unit: 'ms', target: 200, stretch: 100 },
    {
      title: 'longest event-loop stall, bodies of 10 MB',
      figure: 'stall',
      unit: 'ms',
      target: 5,
      stretch: 3,
    },
  ]
}

/** What a target came to, over so many rounds. */
export interface Reached extends Spread {
  readonly rounds: number
}

/** Values of one figure and contender by round. */
export function valuesOf(samples: readonly Sample[], figure: string, contender: string): Map<number, number> {
  return new Map(
    samples
      .filter((sample) => sample.figure === figure && sample.contender === contender)
      .map(({ round, value }) => [round, value]),
  )
}

export function hasFailed(samples: readonly Sample[], figure: string, contender: string): boolean {
  return samples.some((each) => each.figure === figure && each.contender === contender && each.failed > 0)
}

/** Whether calls failed in what a target is held against: neither what they cost nor what they took says anything. */
export function targetFailed({ figure, over }: Target, samples: readonly Sample[], own: string): boolean {
  return (
    hasFailed(samples, figure, own) || (over !== undefined && hasFailed(samples, over.figure, over.contender))
  )
}

/** Quotients of the rounds that both have; undefined when there is none, or where a divisor is not above 0. */
export function ratiosOf(
  values: ReadonlyMap<number, number>,
  over: ReadonlyMap<number, number>,
): Reached | undefined {
  const ratios = [...values].flatMap(([round, value]) => {
    const divisor = over.get(round)
    return divisor === undefined || divisor <= 0 ? [] : [value / divisor]
  })
  return ratios.length === 0 ? undefined : { ...spreadOf(ratios), rounds: ratios.length }
}

/** What a target came to; undefined when it was not measured. */
export function standing(target: Target, samples: readonly Sample[], own: string): Reached | undefined {
  const values = valuesOf(samples, target.figure, own)
  if (values.size === 0) return undefined
  if (target.over === undefined) return { ...spreadOf([...values.values()]), rounds: values.size }
  return ratiosOf(values, valuesOf(samples, target.over.figure, target.over.contender))
}

/**
 * By the median: `stretch goal met`, `met`, or by what part of the target it falls short.
 * @param rounds of the run: rounds without a ratio are those in which the other did best.
 * @param isFailed calls failed: see `targetFailed`.
 */
export function verdict(target: Target, got: Reached | undefined, rounds: number, isFailed = false): string {
  if (got === undefined) return 'not measured'
  if (isFailed) return 'not judged: calls failed'
  if (got.rounds < rounds) return `not judged: only ${got.rounds} of ${rounds} rounds have a ratio`
  if (reaches(target, got.median, target.stretch)) return 'stretch goal met'
  if (reaches(target, got.median, target.target)) return 'met'
  return `missed by ${Math.ceil(Math.abs(got.median / target.target - 1) * 100)} %`
}

function reaches({ isMoreBetter }: Target, value: number, bound: number): boolean {
  return isMoreBetter === true ? value >= bound : value <= bound
}
