// The report of a soak as Markdown.
import { shown } from '../gateways/report.ts'
import type { Kind } from './mix.ts'
import { type Course, measures, type Sample } from './samples.ts'
import type { Trend } from './trend.ts'

export interface Account {
  readonly command: string
  /** ISO 8601, the day only. */
  readonly date: string
  readonly machine: readonly string[]
  readonly version: string
  readonly ratePerSecond: number
  readonly mix: readonly Kind[]
  readonly samples: readonly Sample[]
  readonly courses: readonly Course[]
  readonly floors: readonly Floor[]
  readonly calls: number
  readonly left: number
  /** Calls that ended otherwise than they should, by kind and why. */
  readonly faults: ReadonlyMap<string, number>
}

/** Bytes after a forced collection, before and after what was measured. */
export interface Floor {
  readonly title: string
  readonly beforeBytes: number
  readonly afterBytes: number
}

/** So much more may be live at the end: what V8 keeps of code and caches moves by a few hundred KiB. */
const floorTolerance = { share: 0.05, bytes: 2 * 2 ** 20 }
const mib = 2 ** 20
const shownFaults = 12
/** Rows of the last table. */
const shownSamples = 24

export function isFloorFlat({ beforeBytes, afterBytes }: Floor): boolean {
  return afterBytes - beforeBytes <= Math.max(floorTolerance.bytes, beforeBytes * floorTolerance.share)
}

export function isFlat({ courses, floors }: Pick<Account, 'courses' | 'floors'>): boolean {
  return (
    floors.every(isFloorFlat) && courses.every(({ verdict }) => verdict === undefined || verdict === 'flat')
  )
}

export function writeSoak(account: Account): string {
  const { samples, faults, calls, left, floors, mix } = account
  const minutes = ((samples.at(-1)?.atMs ?? 0) / 60_000).toFixed(1)
  const loads = samples.map(({ load }) => load).toSorted((one, other) => one - other)
  const weights = mix.reduce((sum, { weight }) => sum + weight, 0)
  return [
    '# llm-gateway over time',
    '',
    `\`${account.command}\`, ${account.date}, version ${account.version}: ${calls.toLocaleString('en')} calls in ${minutes} minutes, ${account.ratePerSecond} a second.`,
    '',
    ...account.machine.map((line) => `- ${line}`),
    `- load average of the machine: ${loads[0]?.toFixed(1)} to ${loads.at(-1)?.toFixed(1)}, median ${loads[loads.length >> 1]?.toFixed(1)}`,
    '',
    '![CPU, latency, memory, files and ledger over time](soak.svg)',
    '',
    `## ${isFlat(account) ? 'Flat' : 'Not flat'}${faults.size > 0 ? ', and calls failed' : ''}`,
    '',
    'The change is that from the first sample to the last by the slope of Theil and Sen, as a share of the median, with its range of 95 %. Flat is what stays within what is allowed with its whole range.',
    '',
    '| figure | median | change | range | allowed | verdict |',
    '|---|--:|--:|--:|--:|---|',
    ...account.courses.map(courseRow),
    ...floors.map(floorRow),
    '',
    ...(faults.size === 0
      ? [`No call ended otherwise than it should; of ${left.toLocaleString('en')} calls the client left.`]
      : faultLines(faults)),
    '',
    '## The mix',
    '',
    '| calls | share | must end with |',
    '|---|--:|---|',
    ...mix.map(
      ({ name, weight, statuses, leavesAfter }) =>
        `| ${name} | ${((100 * weight) / weights).toFixed(1)} % | ${endOf(statuses, leavesAfter)} |`,
    ),
    '',
    '## How it is measured',
    '',
    '- The built package with every default on, limits that refuse nothing but the calls over the limit, a price for two models, a log to a file. Scripted upstream, load generator and gateway are processes of their own, on loopback. Each answer is checked.',
    '- Calls are sent at a fixed rate, whatever the answers do. Times are those of whole answers that the upstream gives at once, and of first events, of all formats together.',
    '- Before the first sample the gateway warms up at four times the rate, and its windows of a minute fill.',
    '- CPU is that of the gateway’s process, by the scheduler’s count, over all calls that ended in the interval. The scripted upstream does the same work all the time: where the gateway’s cost rises and its ratio to the upstream’s does not, the machine has become slower (“the machine’s”).',
    '- Heap, memory outside of it and handles are read on the gateway’s main thread. No collection is forced in between; what is live is what is left after one that is forced before the first sample and one after the last call has ended.',
    '',
    '## Samples',
    '',
    ...sampleTable(samples),
    '',
  ].join('\n')
}

function faultLines(faults: ReadonlyMap<string, number>): string[] {
  const sorted = [...faults].toSorted(([, one], [, other]) => other - one)
  const rest = sorted.slice(shownFaults).reduce((sum, [, count]) => sum + count, 0)
  return [
    ...sorted.slice(0, shownFaults).map(([what, count]) => `- ✗ ${count} × ${what}`),
    ...(rest > 0 ? [`- ✗ ${rest} × of ${sorted.length - shownFaults} other kinds`] : []),
  ]
}

function endOf(statuses: readonly number[] | undefined, leavesAfter: number | undefined): string {
  if (leavesAfter !== undefined) return 'the client leaves'
  return statuses === undefined ? 'the right answer' : statuses.join(' or ')
}

function courseRow({ measure, trend, verdict, isOfMachine }: Course): string {
  const { title, unit, tolerance } = measure
  const cells = [
    title,
    trend === undefined ? '–' : `${shown(trend.median, measure)} ${unit}`.trim(),
    trend === undefined ? '–' : percent(trend.change),
    rangeOf(trend),
    tolerance === undefined ? '' : percent(tolerance),
    verdict === undefined ? '' : isOfMachine ? 'flat; the rise is the machine’s' : verdict,
  ]
  return `| ${cells.join(' | ')} |`
}

function floorRow(floor: Floor): string {
  const { title, beforeBytes, afterBytes } = floor
  const change = `${(beforeBytes / mib).toFixed(1)} → ${(afterBytes / mib).toFixed(1)} MiB`
  const cells = [title, change, percent(afterBytes / beforeBytes - 1), '', '2 MiB or +5 %']
  return `| ${cells.join(' | ')} | ${isFloorFlat(floor) ? 'flat' : 'rises'} |`
}

function rangeOf(trend: Trend | undefined): string {
  return trend === undefined ? '' : `${percent(trend.low)} to ${percent(trend.high)}`
}

function percent(share: number): string {
  const text = (100 * share).toFixed(1)
  return `${share > 0 ? '+' : ''}${text.replace('-', '−')} %`
}

/** All of a short run, and of a long one every n-th. */
function sampleTable(samples: readonly Sample[]): string[] {
  const step = Math.max(1, Math.ceil(samples.length / shownSamples))
  const rows = samples.filter((_, index) => index % step === step - 1)
  const columns = measures.filter(({ id }) => id !== 'wal')
  return [
    `| s | ${columns.map(({ title, unit }) => (unit === '' ? title : `${title}, ${unit}`)).join(' | ')} | load average |`,
    `|--:|${columns.map(() => '--:|').join('')}--:|`,
    ...rows.map((sample) => {
      const cells = columns.map((measure) => {
        const value = measure.valueOf(sample)
        return Number.isFinite(value) ? shown(value, measure) : '–'
      })
      return `| ${Math.round(sample.atMs / 1000)} | ${cells.join(' | ')} | ${sample.load.toFixed(1)} |`
    }),
  ]
}
