// The report as Markdown.
import { type Standing, standingsOf } from './ahead.ts'
import { describeFaults, directName, type Figure, type Profile, type Sample } from './figure.ts'
import { type Spread, spreadOf } from './statistics.ts'
import { hasFailed, ratiosOf, standing, targetFailed, targetsOf, valuesOf, verdict } from './targets.ts'

/** Of the earlier build of ours in the same run. */
export const baselineName = 'baseline'
/** Of fewer, another run may have all its values beside those of this one. */
export const roundsThatCount = 5
const fewRounds = `- Fewer than ${roundsThatCount} rounds: another run may have values outside of the ranges, and small differences tell nothing.`
/** Behind a value of which calls failed. */
export const failedMark = ' ✗'

export interface Account {
  readonly command: string
  /** ISO 8601, the day only. */
  readonly date: string
  /** One line each. */
  readonly machine: readonly string[]
  readonly rounds: number
  readonly seed: number
  readonly contenders: readonly {
    readonly name: string
    readonly version: string
    readonly setup: string
    /** One that people pick in place of ours. */
    readonly isRival?: boolean
    /** Why some of its calls fail. */
    readonly knownFault?: string
  }[]
  /** Not measured, and why. */
  readonly leftOut: readonly LeftOut[]
  readonly figures: readonly Figure[]
  readonly samples: readonly Sample[]
  readonly notes: readonly string[]
  readonly profiles: readonly Profile[]
  /** Why calls failed, by contender and figure. */
  readonly faults: ReadonlyMap<string, ReadonlyMap<string, number>>
}

interface LeftOut {
  readonly name: string
  readonly reason: string
  /** One that people pick in place of ours. */
  readonly isRival?: boolean
}

/** @param own the contender that the others are compared with. */
export function writeReport(account: Account, own: string): string {
  return [
    '# Gateways compared',
    '',
    `\`${account.command}\`, ${account.date}, seed ${account.seed}, ${account.rounds} rounds.`,
    '',
    ...account.machine.map((line) => `- ${line}`),
    ...(account.rounds < roundsThatCount ? [fewRounds] : []),
    '',
    '![Medians by contender](gateways.svg)',
    '',
    '## Targets',
    '',
    ...targetTable(account, own),
    '',
    ...aheadTable(account, own),
    ...beforeTable(account, own),
    '## Medians',
    '',
    ...medianTable(account),
    '',
    '## Contenders',
    '',
    '| name | version | set up with |',
    '|---|---|---|',
    ...account.contenders.map(({ name, version, setup }) => row([name, version, setup])),
    '',
    ...account.contenders.flatMap(({ name, knownFault }) =>
      knownFault === undefined ? [] : [`- ${name} fails some calls: ${knownFault}.`],
    ),
    ...account.leftOut.map(({ name, reason }) => `- ${name} was left out: ${reason}.`),
    '',
    ...method,
    ...account.notes.map((note) => `- ${note}`),
    '',
    ...faultLines(account),
    ...account.profiles.flatMap(profileTable),
    '## All figures',
    '',
    `The last three columns are ${own}'s value divided by the other's in the same round.`,
    '',
    ...account.figures.flatMap((figure) => figureTable(figure, account.samples, own)),
  ].join('\n')
}

function targetTable({ samples, rounds }: Account, own: string): string[] {
  const rows = targetsOf(own).map((target) => {
    const got = standing(target, samples, own)
    const unit = target.unit === '' ? '' : ` ${target.unit}`
    const show = (value: number) => `${significant(value)}${unit}`
    const bound = target.isMoreBetter === true ? '≥' : '≤'
    const range =
      got === undefined ? '–' : `${show(got.median)} (${significant(got.min)} to ${significant(got.max)})`
    return row([
      target.title,
      `${bound} ${show(target.target)}`,
      `${bound} ${show(target.stretch)}`,
      range,
      verdict(target, got, rounds, targetFailed(target, samples, own)),
    ])
  })
  return [
    `| figure | target | stretch | median (least to most of ${rounds} rounds) | verdict |`,
    '|---|--:|--:|--:|---|',
    ...rows,
  ]
}

/** Nothing where no rival was measured. */
function aheadTable({ figures, samples, contenders, leftOut }: Account, own: string): string[] {
  const rivals = contenders.filter(({ isRival }) => isRival === true).map(({ name }) => name)
  const standings = standingsOf(figures, samples, own, rivals)
  if (standings.length === 0) return []
  const rows = standings.map(({ figure, best, theirs, ours, lead, hasFailed, leader }) => {
    const name = { ours: own, theirs: best, nobody: 'nobody' }[leader]
    return row([
      `${figure.title}, ${figure.unit}`,
      `${shown(ours, figure)}${hasFailed ? failedMark : ''}`,
      `${shown(theirs, figure)}, ${best}`,
      name,
      lead === undefined
        ? '–'
        : `${significant(lead.median)} (${significant(lead.min)} to ${significant(lead.max)})`,
    ])
  })
  const behind = standings.filter(({ leader }) => leader === 'theirs').map(({ figure }) => figure.title)
  const count = (wanted: Standing['leader']) => standings.filter(({ leader }) => leader === wanted).length
  const even = count('nobody') === 0 ? '' : `, as good as they in ${count('nobody')}`
  const summary = `${own} is ahead in ${count('ours')} of ${standings.length} figures${even}`
  return [
    '## Ahead',
    '',
    `${own} against the best of ${rivals.join(', ')}, figure by figure. The last column is how many times as good ${own} is in the same round: median, least to most; nobody is ahead where that is above 1 in some rounds and below in others.`,
    '',
    ...absentRivals(leftOut),
    `| figure | ${own} | best of them | ahead | times as good |`,
    '|---|--:|--:|---|--:|',
    ...rows,
    '',
    behind.length === 0 ? `${summary}.` : `${summary}, and behind in: ${behind.join('; ')}.`,
    '',
  ]
}

/** Who is ahead says nothing of them, and they may be the fastest. */
function absentRivals(leftOut: readonly LeftOut[]): string[] {
  const names = leftOut.filter(({ isRival }) => isRival === true).map(({ name }) => name)
  return names.length === 0 ? [] : [`Not measured, though people pick them too: ${names.join(', ')}.`, '']
}

/** Nothing where no earlier build was measured. */
function beforeTable({ figures, samples, contenders }: Account, own: string): string[] {
  const versionOf = (wanted: string) => contenders.find(({ name }) => name === wanted)?.version
  const [before, after] = [versionOf(baselineName), versionOf(own)]
  if (before === undefined || after === undefined) return []
  const rows = figures.flatMap((figure) => {
    const [then, now] = [baselineName, own].map((name) => valuesOf(samples, figure.id, name))
    const ratio = ratiosOf(now!, then!)
    if (figure.isContext === true || ratio === undefined) return []
    const [was, is] = [baselineName, own].map((name) => medianCell(samples, figure, name))
    const range = `${significant(ratio.median)} (${significant(ratio.min)} to ${significant(ratio.max)})`
    return [row([`${figure.title}, ${figure.unit}`, was!, is!, range])]
  })
  return [
    '## Before and after',
    '',
    `Before is ${before}, after is ${after}, both in this run. The last column is after divided by before in the same round: median, least to most.`,
    '',
    '| figure | before | after | after by before |',
    '|---|--:|--:|--:|',
    ...rows,
    '',
  ]
}

function medianTable({ figures, samples, contenders }: Account): string[] {
  const names = contenders.map(({ name }) => name)
  const rows = figures.map((figure) => {
    const cells = names.map((name) => medianCell(samples, figure, name))
    return row([`${figure.title}, ${figure.unit}`, ...cells])
  })
  return [
    row(['', ...names]),
    row(['---', ...names.map(() => '--:')]),
    ...rows,
    '',
    '✗: calls failed in this measurement.',
  ]
}

function medianCell(samples: readonly Sample[], figure: Figure, name: string): string {
  const values = [...valuesOf(samples, figure.id, name).values()]
  const mark = hasFailed(samples, figure.id, name) ? failedMark : ''
  return values.length === 0 ? '' : `${shown(spreadOf(values).median, figure)}${mark}`
}

const method = [
  '## How it is measured',
  '',
  '- Scripted upstream, load generator and each contender are processes of their own, on loopback. Every answer is checked (status, content, events in order, end of stream); failed ones are counted. Before anything is timed, a contender must pass on whole answers, streams as they come, messages unchanged, a body of 1 MB and a 404. Where it translates Messages or Responses, the provider must be told the same, and the answer and the stream must be right in the client’s format.',
  '- In each round every contender is measured, in an order that is drawn for the round; ratios are taken within a round.',
  '- CPU is user and system time of the process tree, as the scheduler counts it by thread to the nanosecond (`schedstat`); where a thread has ended meanwhile, the time in `stat` of its process, which includes ended threads but is kept to 10 ms. Work of the kernel in interrupts counts for whoever was running.',
  '- Every contender is warmed up with 60,000 calls, or 20 seconds of them; before CPU, latency and first events are measured, it is at work for 1.5 s, and for 0.8 s on the same connections before throughput is. What compilers and collectors do when a contender wakes up is in the figures of bodies.',
  '- Added latency and delay are the median through the gateway less that of the upstream without one; 99th percentiles are those through the gateway as they are. At a fixed rate calls are sent whatever the answers do; how late the generator itself was is a row of its own.',
  '- Events of different streams are due at different moments, as many as there are streams; the upstream’s timers are good to a millisecond.',
  '- Calls come over connections that are kept. Of a new one llm-gateway looks up the Unix user in the kernel’s table of sockets, which takes longer the more there are: the upstream, and streams that were held, end with a reset, which leaves none behind.',
  '- Memory idle is that after the second start, before any call. Memory is resident bytes, with the pages that the processes of one tree share counted for each. The kernel’s buffers of sockets are in none of the figures, and no garbage collection is forced.',
  '- Throughput is that of a contender on its core, with load generator and upstream on what is left: a contender near the value of `direct` was not at its own limit.',
] as const

function profileTable({ of, us, count }: Profile): string[] {
  const total = Object.values(us).reduce((sum, each) => sum + each, 0)
  const rows = Object.entries(us)
    .toSorted(([, one], [, other]) => other - one)
    .filter(([, each]) => each >= total / 200)
    .map(([place, each]) => row([place, (each / count).toFixed(1), `${((100 * each) / total).toFixed(0)} %`]))
  return [
    `## Where the time of a ${of} goes`,
    '',
    `llm-gateway's main thread, sampled from its sources over ${count.toLocaleString('en')} of them; sampling itself costs time.`,
    '',
    '| place | µs | share |',
    '|---|--:|--:|',
    ...rows,
    row(['all', (total / count).toFixed(1), '']),
    '',
  ]
}

function faultLines({ faults }: Account): string[] {
  if (faults.size === 0) return ['No call failed.', '']
  return [...[...faults].map(([where, why]) => `- Failed, ${where}: ${describeFaults(why)}.`), '']
}

function figureTable(figure: Figure, samples: readonly Sample[], own: string): string[] {
  const names = [
    ...new Set(samples.filter((sample) => sample.figure === figure.id).map((each) => each.contender)),
  ]
  if (names.length === 0) return []
  const ours = valuesOf(samples, figure.id, own)
  const rows = names
    .sort((one, other) => rank(one, own) - rank(other, own))
    .map((name) => {
      const values = valuesOf(samples, figure.id, name)
      const ratios = name === own || name === directName ? undefined : ratiosOf(ours, values)
      const failed = samples
        .filter((sample) => sample.figure === figure.id && sample.contender === name)
        .reduce((total, sample) => total + sample.failed, 0)
      const cells = threeOf(spreadOf([...values.values()]), (value) => shown(value, figure))
      return row([name, ...cells, ...threeOf(ratios, significant), failed === 0 ? '' : String(failed)])
    })
  return [
    `### ${capital(figure.title)}`,
    '',
    `| ${figure.unit}${figure.isMoreBetter === true ? ', more is better' : ''} | min | median | max | ratio min | median | max | failed |`,
    '|---|--:|--:|--:|--:|--:|--:|--:|',
    ...rows,
    '',
  ]
}

function rank(name: string, own: string): number {
  if (name === own) return 0
  return name === directName ? 2 : 1
}

function threeOf(spread: Spread | undefined, show: (value: number) => string): string[] {
  return spread === undefined ? ['', '', ''] : [show(spread.min), show(spread.median), show(spread.max)]
}

/** In the figure's own precision, with commas from a thousand on. */
export function shown(value: number, { digits }: Pick<Figure, 'digits'>): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Two to three digits that count: what a ratio can claim. */
function significant(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.2 ? 2 : 3
  return value.toFixed(digits)
}

/** A table's row; bars within cells would end them. */
function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
