// What is looked at in each interval, and what must be flat.
import { type Point, type Trend, trendOf, type Verdict, verdictOf } from './trend.ts'

const mib = 2 ** 20

/** One interval, and what the gateway held at its end. */
export interface Sample {
  /** Since the first measured interval began. */
  readonly atMs: number
  readonly calls: number
  /** Of the gateway's process, in microseconds. */
  readonly cpuPerCall: number
  /** Of the scripted upstream, whose work never changes: what happens to both is the machine's doing. */
  readonly upstreamCpuPerCall: number
  /** Milliseconds; NaN where nothing of the kind ended. */
  readonly p50: number
  readonly p99: number
  readonly firstEventP50: number
  readonly firstEventP99: number
  /** Of the load generator, in milliseconds. */
  readonly latenessP99: number
  readonly rssBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  readonly files: number
  readonly handles: number
  readonly openCalls: number
  /** Of the ledger with its write-ahead log. */
  readonly ledgerBytes: number
  readonly walBytes: number
  /** Of the machine, over the last minute. */
  readonly load: number
}

export interface Measure {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly digits: number
  readonly valueOf: (sample: Sample) => number
  /** The share of its median that it may gain over the run; absent: it is shown and not judged. */
  readonly tolerance?: number
  /** Of the same interval, for what the machine does to both. */
  readonly control?: (sample: Sample) => number
  /** Measures of one panel of the chart. */
  readonly panel: string
  /** Its name in there; absent: the title. */
  readonly short?: string
}

const upstreamCpu = (sample: Sample) => sample.upstreamCpuPerCall
const micro = { unit: 'µs', digits: 0 }
const milli = { unit: 'ms', digits: 2 }
const memory = { unit: 'MiB', digits: 1 }
const count = { unit: '', digits: 0 }

export const measures: readonly Measure[] = [
  {
    id: 'cpu',
    short: 'llm-gateway',
    title: 'CPU per call',
    ...micro,
    panel: 'CPU per call, µs',
    valueOf: ({ cpuPerCall }) => cpuPerCall,
    control: upstreamCpu,
    tolerance: 0.1,
  },
  {
    id: 'upstream_cpu',
    short: 'upstream',
    title: 'CPU per call of the upstream',
    ...micro,
    panel: 'CPU per call, µs',
    valueOf: upstreamCpu,
  },
  {
    id: 'p50',
    short: 'p50',
    title: 'whole answer, p50',
    ...milli,
    panel: 'whole answer, ms',
    valueOf: ({ p50 }) => p50,
    tolerance: 0.15,
  },
  {
    id: 'p99',
    short: 'p99',
    title: 'whole answer, p99',
    ...milli,
    panel: 'whole answer, ms',
    valueOf: ({ p99 }) => p99,
    tolerance: 0.3,
  },
  {
    id: 'first_p50',
    short: 'p50',
    title: 'first event, p50',
    ...milli,
    panel: 'first event, ms',
    valueOf: ({ firstEventP50 }) => firstEventP50,
    tolerance: 0.15,
  },
  {
    id: 'first_p99',
    short: 'p99',
    title: 'first event, p99',
    ...milli,
    panel: 'first event, ms',
    valueOf: ({ firstEventP99 }) => firstEventP99,
    tolerance: 0.3,
  },
  {
    id: 'lateness',
    short: 'generator late, p99',
    title: 'lateness of the load generator, p99',
    ...milli,
    panel: 'whole answer, ms',
    valueOf: ({ latenessP99 }) => latenessP99,
  },
  {
    id: 'rss',
    short: 'resident',
    title: 'resident memory',
    ...memory,
    panel: 'memory, MiB',
    valueOf: ({ rssBytes }) => rssBytes / mib,
    tolerance: 0.1,
  },
  {
    id: 'heap',
    short: 'heap',
    title: 'heap in use',
    ...memory,
    panel: 'memory, MiB',
    valueOf: ({ heapBytes }) => heapBytes / mib,
    tolerance: 0.15,
  },
  {
    id: 'external',
    short: 'outside the heap',
    title: 'memory outside the heap',
    ...memory,
    panel: 'memory, MiB',
    valueOf: ({ externalBytes }) => externalBytes / mib,
    tolerance: 0.15,
  },
  {
    id: 'files',
    short: 'files',
    title: 'open files',
    ...count,
    panel: 'open files and handles',
    valueOf: ({ files }) => files,
    tolerance: 0.15,
  },
  {
    id: 'handles',
    short: 'handles',
    title: 'event-loop handles',
    ...count,
    panel: 'open files and handles',
    valueOf: ({ handles }) => handles,
    tolerance: 0.15,
  },
  {
    id: 'ledger',
    short: 'all',
    title: 'ledger on disk',
    ...memory,
    panel: 'ledger, MiB',
    valueOf: ({ ledgerBytes }) => ledgerBytes / mib,
  },
  {
    id: 'wal',
    short: 'write-ahead log',
    title: 'write-ahead log of the ledger',
    ...memory,
    panel: 'ledger, MiB',
    valueOf: ({ walBytes }) => walBytes / mib,
    tolerance: 0.15,
  },
]

/** A measure over the whole run. */
export interface Course {
  readonly measure: Measure
  readonly points: readonly Point[]
  readonly trend: Trend | undefined
  /** Undefined: it is not judged. */
  readonly verdict: Verdict | undefined
  /** True where it rises, and no more than what the machine does to the control. */
  readonly isOfMachine: boolean
}

export function coursesOf(samples: readonly Sample[]): Course[] {
  return measures.map((measure) => {
    const pointsBy = (valueOf: (sample: Sample) => number): Point[] =>
      samples
        .map((sample) => ({ atMs: sample.atMs, value: valueOf(sample) }))
        .filter(({ value }) => Number.isFinite(value))
    const points = pointsBy(measure.valueOf)
    const trend = trendOf(points)
    const { tolerance, control } = measure
    if (tolerance === undefined) return { measure, points, trend, verdict: undefined, isOfMachine: false }
    const verdict = verdictOf(trend, tolerance)
    const isOfMachine =
      verdict !== 'flat' &&
      control !== undefined &&
      verdictOf(trendOf(pointsBy((each) => measure.valueOf(each) / control(each))), tolerance) === 'flat'
    return { measure, points, trend, verdict: isOfMachine ? 'flat' : verdict, isOfMachine }
  })
}
