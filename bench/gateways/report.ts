// The report as Markdown.
import { standingsOf } from './ahead.ts'
import { directName, type Figure, type Profile, type Sample } from './figure.ts'
import { type Spread, spreadOf } from './statistics.ts'
import { ratiosOf, standing, targetsOf, valuesOf, verdict } from './targets.ts'

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
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[]
  readonly figures: readonly Figure[]
  readonly samples: readonly Sample[]
  readonly notes: readonly string[]
  readonly profiles: readonly Profile[]
  /** Why calls failed, by contender and figure. */
  readonly faults: ReadonlyMap<string, string>
}

/** @param own the contender that the others are compared with. */
export function writeReport(account: Account, own: string): string {
  return [
    '# Gateways compared',
    '',
    `\`${account.command}\`, ${account.date}, seed ${account.seed}, ${account.rounds} rounds.`,
    '',
    ...account.machine.map((line) => `- ${line}`),
    '',
    '![Medians by contender](gateways.svg)',
    '',
    '## Targets',
    '',
    ...targetTable(account, own),
    '',
    ...aheadTable(account, own),
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
      verdict(target, got),
    ])
  })
  return [
    `| figure | target | stretch | median (least to most of ${rounds} rounds) | verdict |`,
    '|---|--:|--:|--:|---|',
    ...rows,
  ]
}

/** Nothing where no rival was measured. */
function aheadTable({ figures, samples, contenders }: Account, own: string): string[] {
  const rivals = contenders.filter(({ isRival }) => isRival === true).map(({ name }) => name)
  const standings = standingsOf(figures, samples, own, rivals)
  if (standings.length === 0) return []
  const rows = standings.map(({ figure, best, theirs, ours, lead, leader }) => {
    const name = { ours: own, theirs: best, nobody: 'nobody' }[leader]
    return row([
      `${figure.title}, ${figure.unit}`,
      shown(ours, figure),
      `${shown(theirs, figure)}, ${best}`,
      name,
      lead === undefined
        ? '–'
        : `${significant(lead.median)} (${significant(lead.min)} to ${significant(lead.max)})`,
    ])
  })
  const behind = standings.filter(({ leader }) => leader === 'theirs').map(({ figure }) => figure.title)
  const count = `${own} is ahead in ${standings.length - behind.length} of ${standings.length} figures`
  return [
    '## Ahead',
    '',
    `${own} against the best of ${rivals.join(', ')}, figure by figure. The last column is how many times as good ${own} is in the same round: median, least to most.`,
    '',
    `| figure | ${own} | best of them | ahead | times as good |`,
    '|---|--:|--:|---|--:|',
    ...rows,
    '',
    behind.length === 0 ? `${count}.` : `${count}, and behind in: ${behind.join('; ')}.`,
    '',
  ]
}

function medianTable({ figures, samples, contenders }: Account): string[] {
  const names = contenders.map(({ name }) => name)
  const rows = figures.map((figure) => {
    const cells = names.map((name) => {
      const values = [...valuesOf(samples, figure.id, name).values()]
      const mark = hasFailed(samples, figure.id, name) ? ' ✗' : ''
      return values.length === 0 ? '' : `${shown(spreadOf(values).median, figure)}${mark}`
    })
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

const method = [
  '## How it is measured',
  '',
  '- Scripted upstream, load generator and each contender are processes of their own, on loopback. Every answer is checked (status, content, events in order, end of stream); failed ones are counted. Before anything is timed, a contender must pass on whole answers, streams as they come, messages unchanged, a body of 1 MB and a 404. Where it translates Messages or Responses, the provider must be told the same, and the answer and the stream must be right in the client’s format.',
  '- In each round every contender is measured, in an order that is drawn for the round; ratios are taken within a round.',
  '- CPU is user and system time of the process tree, as the scheduler counts it by thread to the nanosecond (`schedstat`); where a thread has ended meanwhile, the time in `stat` of its process, which includes ended threads but is kept to 10 ms. Work of the kernel in interrupts counts for whoever was running.',
  '- Every contender is warmed up with 60,000 calls, or 20 seconds of them; before CPU and latency of plain calls are measured, it is at work for 1.5 s. What compilers and collectors do when a contender wakes up is in the figures of throughput, first events and bodies.',
  '- Added latency and delay are the percentile through the gateway less that of the upstream without one. At a fixed rate a call counts from the moment it was due, sent or not.',
  '- Events of different streams are spread evenly over time, so that each arrives alone.',
  '- Memory is resident bytes, with the pages that the processes of one tree share counted for each. The kernel’s buffers of sockets are in none of the figures, and no garbage collection is forced.',
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
  return [...[...faults].map(([where, why]) => `- Failed calls, ${where}: ${why}.`), '']
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

function hasFailed(samples: readonly Sample[], figure: string, contender: string): boolean {
  return samples.some((each) => each.figure === figure && each.contender === contender && each.failed > 0)
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
