// What a call costs by size, as Markdown.
import { type Spread, spreadOf } from '../gateways/statistics.ts'
import type { AxisName } from './axis.ts'

/** One measurement. */
export interface Sample {
  readonly axis: AxisName
  readonly size: number
  readonly round: number
  /** CPU time of the gateway's process per call, in microseconds. */
  readonly perCall: number
  /** What the process takes without calls, which is subtracted: microseconds in a millisecond. Undefined: it was not measured. */
  readonly restPerMs: number | undefined
}

/** What has been measured of an axis. */
export interface Grown {
  readonly name: AxisName
  readonly title: string
  readonly shouldBeFlat: boolean
  readonly notes: readonly string[]
  readonly sizes: readonly Size[]
  readonly samples: readonly Sample[]
  /** Why calls failed. */
  readonly faults: readonly string[]
}

interface Size {
  readonly size: number
  readonly isAside: boolean
  /** Resident, after the last round. */
  readonly residentBytes: number
}

/** A call may cost so much more at the largest size. */
const tolerance = 1.1

type Verdict = 'flat' | 'grows' | 'unclear'

/**
 * @param ratios of the large size to the small one, by round
 * @returns `unclear` where the median is too high and a round was not, and where the large size seems to cost less, which
 *   nothing explains but processes that were not equally warm: a quieter machine or more rounds tell
 */
function verdictOf({ median, min }: Spread): Verdict {
  if (median < 1 / tolerance) return 'unclear'
  if (median <= tolerance) return 'flat'
  return min > 1 ? 'grows' : 'unclear'
}

/** @returns undefined for the size that the others are held against, and for what was not measured. */
function ratiosOf({ samples, sizes }: Grown, size: number): Spread | undefined {
  const least = sizes.find(({ isAside }) => !isAside)!.size
  if (size === least) return undefined
  const ratios = samples
    .filter((sample) => sample.size === size)
    .flatMap(({ round, perCall }) => {
      const base = samples.find((other) => other.size === least && other.round === round)
      return base === undefined ? [] : [perCall / base.perCall]
    })
  return ratios.length === 0 ? undefined : spreadOf(ratios)
}

/** @returns undefined for what is shown and not judged. */
function judge(grown: Grown, { size, isAside }: Size): Verdict | undefined {
  const ratios = ratiosOf(grown, size)
  return ratios === undefined || isAside || !grown.shouldBeFlat ? undefined : verdictOf(ratios)
}

export interface Account {
  readonly command: string
  /** ISO 8601, the day only. */
  readonly date: string
  readonly version: string
  readonly machine: readonly string[]
  readonly rounds: number
  readonly grown: readonly Grown[]
  /** Load averages of the machine at the start and the end. */
  readonly loads: readonly [number, number]
}

export function isFlat(grown: readonly Grown[]): boolean {
  return grown.every(
    (axis) =>
      axis.faults.length === 0 &&
      axis.sizes.every((size) => {
        const verdict = judge(axis, size)
        return verdict === undefined || verdict === 'flat'
      }),
  )
}

export function writeGrowth({ command, date, version, machine, rounds, grown, loads }: Account): string {
  return [
    '# CPU per call as models, limits, keys, ledger, streams and workers grow',
    '',
    `\`${command}\`, ${date}, version ${version}, ${rounds} rounds.`,
    '',
    ...machine.map((line) => `- ${line}`),
    `- load average of the machine: ${loads[0].toFixed(1)} at the start, ${loads[1].toFixed(1)} at the end`,
    '',
    'CPU time of the gateway per plain chat call: median of the rounds (min to max). The ratio is to the smallest size in the same round: median, and min to max.',
    '',
    `- **flat**: the median ratio is from ${(1 / tolerance).toFixed(2)} to ${tolerance}.`,
    `- **grows**: it is above ${tolerance}, and the ratio is above 1 in every round.`,
    '- **unclear**: anything else. A quieter machine or more rounds tell.',
    '- No verdict: each further one is work for a call, or the size is there for comparison only.',
    '',
    '| what grows | size | CPU per call, µs | ratio | range | verdict | resident memory, MiB |',
    '|---|--:|--:|--:|--:|---|--:|',
    ...grown.flatMap((axis) => axis.sizes.map((size) => row(axis, size))),
    '',
    ...grown.flatMap(({ title, notes }) => notes.map((note) => `- ${title}: ${note}.`)),
    ...grown.flatMap(restLines),
    ...grown.flatMap(({ title, faults }) => faults.map((fault) => `- ✗ ${title}: ${fault}`)),
    '',
    '## How it is measured',
    '',
    '- The built package with every default on where no note says otherwise, and limits that refuse nothing. Each size is a process of its own. All sizes are warmed up, then measured in each round in random order, after calls that wake the process up. 8 connections, each of which sends its next call when it has its answer.',
    '- CPU is user and system time of the process, from the scheduler’s counters, not elapsed time. With open streams, the CPU that the process takes without calls is subtracted.',
    '- Resident memory is read once, after the last round, and includes garbage that was not yet collected.',
    '- Calls come over connections that are there: looking up the Unix user of a new one takes longer the more sockets the machine has, and is in no figure here.',
    '',
  ].join('\n')
}

/** What is subtracted is shown, or else what grows with the size could hide in it. */
function restLines({ title, sizes, samples }: Grown): string[] {
  return sizes.flatMap(({ size }) => {
    const rests = samples.flatMap((sample) => (sample.size === size ? (sample.restPerMs ?? []) : []))
    if (rests.length === 0) return []
    // A microsecond in a millisecond is a thousandth.
    const [least, median, most] = Object.values(spreadOf(rests)).map((rest) => (rest / 10).toFixed(1))
    return [
      `- ${title}: ${size.toLocaleString('en')} take ${median} % of a core without calls (${least} to ${most}).`,
    ]
  })
}

function row(axis: Grown, of: Size): string {
  const costs = axis.samples.filter(({ size }) => size === of.size).map(({ perCall }) => perCall)
  const ratios = ratiosOf(axis, of.size)
  const spread = costs.length === 0 ? undefined : spreadOf(costs)
  const cells = [
    axis.title,
    of.size.toLocaleString('en'),
    spread === undefined
      ? '–'
      : `${spread.median.toFixed(0)} (${spread.min.toFixed(0)} to ${spread.max.toFixed(0)})`,
    ratios?.median.toFixed(2) ?? '',
    ratios === undefined ? '' : `${ratios.min.toFixed(2)} to ${ratios.max.toFixed(2)}`,
    judge(axis, of) ?? '',
    (of.residentBytes / 2 ** 20).toFixed(0),
  ]
  return `| ${cells.join(' | ')} |`
}
