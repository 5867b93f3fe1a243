// The budget of llm-gateway, and how a run stands against it.
import type { Sample } from './figure.ts'
import { type Spread, spreadOf } from './statistics.ts'

export interface Target {
  readonly title: string
  readonly figure: string
  /** What it is divided by, round by round; absent: the value itself counts. */
  readonly over?: { readonly contender: string; readonly figure: string }
  readonly unit: string
  readonly target: number
  readonly stretch: number
}

/** @param own name under which our values are kept. */
export function targetsOf(own: string): readonly Target[] {
  const over = (figure: string, contender: string) => ({ figure, over: { contender, figure }, unit: '' })
  return [
    {
      title: 'CPU per plain chat call, against Caddy',
      ...over('call_cpu', 'Caddy'),
      target: 1,
      stretch: 0.7,
    },
    {
      title: 'CPU per plain chat call, against Portkey',
      ...over('call_cpu', 'Portkey'),
      target: 1 / 8,
      stretch: 1 / 12,
    },
    {
      title: 'CPU per streamed event, against nginx',
      ...over('event_cpu', 'nginx'),
      target: 2,
      stretch: 1.5,
    },
    {
      title: 'added latency p50, one connection, against nginx',
      ...over('latency_p50', 'nginx'),
      target: 3,
      stretch: 2,
    },
    {
      title: 'translated call (Messages to chat), against a passed one',
      figure: 'translated_call',
      over: { contender: own, figure: 'passed_call' },
      unit: '',
      target: 1.5,
      stretch: 1.25,
    },
    {
      title: 'translated event, against a passed one',
      figure: 'translated_event',
      over: { contender: own, figure: 'passed_event' },
      unit: '',
      target: 1.6,
      stretch: 1.3,
    },
    {
      title: 'translated call with an image of 1 MB, against a passed one',
      figure: 'translated_image',
      over: { contender: own, figure: 'passed_image' },
      unit: '',
      target: 1.3,
      stretch: 1.1,
    },
    { title: 'longest event-loop stall, largest body', figure: 'stall', unit: 'ms', target: 10, stretch: 3 },
    { title: 'memory per open stream', figure: 'stream_memory', unit: 'KiB', target: 40, stretch: 20 },
    { title: 'start to ready', figure: 'ready', unit: 'ms', target: 300, stretch: 150 },
    { title: 'memory idle', figure: 'idle_memory', unit: 'MiB', target: 90, stretch: 60 },
  ]
}

/** Values of one figure and contender by round. */
export function valuesOf(samples: readonly Sample[], figure: string, contender: string): Map<number, number> {
  return new Map(
    samples
      .filter((sample) => sample.figure === figure && sample.contender === contender)
      .map(({ round, value }) => [round, value]),
  )
}

/** Quotients of the rounds that both have; undefined when there is none, or where a divisor is not above 0. */
export function ratiosOf(
  values: ReadonlyMap<number, number>,
  over: ReadonlyMap<number, number>,
): Spread | undefined {
  const ratios = [...values].flatMap(([round, value]) => {
    const divisor = over.get(round)
    return divisor === undefined || divisor <= 0 ? [] : [value / divisor]
  })
  return ratios.length === 0 ? undefined : spreadOf(ratios)
}

/** What a target came to; undefined when it was not measured. */
export function standing(target: Target, samples: readonly Sample[], own: string): Spread | undefined {
  const values = valuesOf(samples, target.figure, own)
  if (values.size === 0) return undefined
  if (target.over === undefined) return spreadOf([...values.values()])
  return ratiosOf(values, valuesOf(samples, target.over.figure, target.over.contender))
}

/** By the median: `stretch`, `met`, or by how much it falls short. */
export function verdict({ target, stretch }: Target, got: Spread | undefined): string {
  if (got === undefined) return 'not measured'
  if (got.median <= stretch) return 'stretch'
  if (got.median <= target) return 'met'
  return `missed by ${Math.ceil((got.median / target - 1) * 100)} %`
}
