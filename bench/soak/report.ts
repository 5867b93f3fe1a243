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

function headlineOf(account: Pick<Account, 'courses' | 'floors'>): string {
  const { courses, floors } = account
  if (isFlat(account)) return 'Flat'
  const isRising = !floors.every(isFloorFlat) || courses.some(({ verdict }) => verdict === 'rises')
  return isRising ? 'Not flat' : 'Nothing rises, but something is unclear'
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
    `## ${headlineOf(account)}${faults.size > 0 ? ', and calls failed' : ''}`,
    '',
    'Change is that from the first sample to the last by the Theil–Sen slope, as a share of the median, with its 95 % confidence interval. A figure is flat where the whole interval stays within what is allowed, rises where the change is above it and the interval above 0, and is unclear otherwise.',
    '',
    '| figure | median | change | 95 % interval | allowed | verdict |',
    '|---|--:|--:|--:|--:|---|',
    ...account.courses.map(courseRow),
    ...floors.map(floorRow),
    '',
    ...(faults.size === 0
      ? [
          `Every call ended as it should; in ${left.toLocaleString('en')} the client disconnected, as planned.`,
        ]
      : faultLines(faults)),
    '',
    '## The mix',
    '',
    '| calls | share | expected end |',
    '|---|--:|---|',
    ...mix.map(
      ({ name, weight, statuses, leavesAfter }) =>
        `| ${name} | ${((100 * weight) / weights).toFixed(1)} % | ${endOf(statuses, leavesAfter)} |`,
    ),
    '',
    '## How it is measured',
    '',
    '- The built package with every default on, prices for two models, a log to a file, and limits that refuse nothing but the calls named “over the limit”. Upstream (a scripted model server), load generator and gateway are separate processes on loopback. Every answer is checked.',
    '- Calls are sent at a fixed rate, whatever the answers do. Latencies are of all formats together: of whole answers that the upstream gives at once, and of first events of streams. They count from when a call was sent; how late the load generator was is a figure of its own.',
    '- Before the first sample the gateway warms up at four times the rate, and the one-minute windows of its limits fill.',
    '- CPU per call is the CPU time of the gateway’s process divided by the calls that ended in the interval; about half of them are streams of 20 or 80 events, so that it is far above that of a plain call. The upstream does the same work all the time: where CPU rises for both alike, the machine has become slower (“the machine’s”).',
    '- Heap, memory outside the heap and event-loop handles are read on the gateway’s main thread, without a forced garbage collection. “Live” is what is left after a forced collection: one before the first sample, one after the last call has ended.',
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
    ...(rest > 0 ? [`- ✗ ${rest} more of ${sorted.length - shownFaults} other kinds`] : []),
  ]
}

function endOf(statuses: readonly number[] | undefined, leavesAfter: number | undefined): string {
  if (leavesAfter !== undefined) return 'the client disconnects'
  return statuses === undefined ? 'the right answer' : `status ${statuses.join(' or ')}`
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
