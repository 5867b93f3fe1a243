// The report as Markdown.
import { type Standing, standingsOf } from './ahead.ts'
import { describeFaults, directName, type Figure, type Profile, type Sample } from './figure.ts'
import { method, terms } from './method.ts'
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
    /** Ours, other than it is by default or is now. */
    readonly isVariant?: boolean
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
    ...terms,
    '',
    '## Targets',
    '',
    'What the project asks of itself, with every default on. Most targets are ratios to a bare proxy, taken within a round.',
    '',
    ...targetTable(account, own),
    '',
    ...aheadTable(account, own),
    ...beforeTable(account, own),
    '## Medians',
    '',
    ...medianTables(account, own),
    '## Contenders',
    '',
    '| name | version | set-up |',
    '|---|---|---|',
    ...account.contenders.map(({ name, version, setup }) => row([name, version, setup])),
    '',
    ...account.contenders.flatMap(({ name, knownFault }) =>
      knownFault === undefined ? [] : [`- ${name} fails some calls: ${knownFault}.`],
    ),
    ...account.leftOut.map(({ name, reason }) => `- ${name} was left out: ${reason}.`),
    '',
    '## How it is measured',
    '',
    ...method,
    ...account.notes.map((note) => `- ${note}`),
    '',
    ...faultLines(account),
    ...account.profiles.flatMap(profileTable),
    '## All figures',
    '',
    `The ratio is ${own}'s value divided by that of the row, in the same round.`,
    '',
    ...account.figures.flatMap((figure) => figureTable(figure, account, own)),
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
    `| figure | target | stretch goal | median (min to max of ${rounds} rounds) | verdict |`,
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
      labelOf(figure),
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
  const even = count('nobody') === 0 ? '' : `, level in ${count('nobody')}`
  const summary = `${own} is ahead in ${count('ours')} of ${standings.length} figures${even}`
  return [
    '## Compared with other LLM gateways',
    '',
    `${own} and, figure by figure, the best of ${rivals.join(', ')} that failed no call in it. The factor is how many times better ${own} is in the same round, median (min to max); below 1 it is worse. Nobody is ahead where the factor is above 1 in some rounds and below 1 in others.`,
    '',
    ...absentRivals(leftOut),
    `| figure | ${own} | best of the others | ahead | factor |`,
    '|---|--:|--:|---|--:|',
    ...rows,
    '',
    behind.length === 0 ? `${summary}.` : `${summary}, behind in ${behind.length}: ${behind.join('; ')}.`,
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
    return [row([labelOf(figure), was!, is!, range])]
  })
  return [
    '## Before and after',
    '',
    `Before is ${before}, after is ${after}, both measured in this run. The ratio is taken within a round: median (min to max). Below 1 is better, unless more is better.`,
    '',
    '| figure | before | after | after ÷ before |',
    '|---|--:|--:|--:|',
    ...rows,
    '',
  ]
}

/** One table of ours beside the others, and one of ours beside its variants, with what is measured of ours alone. */
function medianTables({ figures, samples, contenders }: Account, own: string): string[] {
  const namesOf = (isVariant: boolean) =>
    contenders.filter((each) => (each.isVariant === true) === isVariant).map(({ name }) => name)
  const [others, variants] = [namesOf(false), namesOf(true)]
  const has = (names: readonly string[], { id }: Figure) =>
    names.some((name) => valuesOf(samples, id, name).size > 0)
  const strangers = others.filter((name) => name !== own)
  const ours = [...others.filter((name) => name === own), ...variants]
  const isShared = (figure: Figure) => has(strangers, figure)
  const isOfOurs = (figure: Figure) => has(ours, figure) && (variants.length > 0 || !isShared(figure))
  const title = variants.length > 0 ? 'Features on or off, and an earlier build' : `Only ${own}`
  return [
    ...medianTable(figures.filter(isShared), others, samples),
    ...(figures.some(isOfOurs) ? [`### ${title}`, ''] : []),
    ...medianTable(figures.filter(isOfOurs), ours, samples),
    ...(samples.some(({ failed }) => failed > 0)
      ? ['✗: some calls [failed](#failed-calls) in this measurement.', '']
      : []),
  ]
}

function medianTable(
  figures: readonly Figure[],
  names: readonly string[],
  samples: readonly Sample[],
): string[] {
  if (figures.length === 0) return []
  const rows = figures.map((figure) => {
    const cells = names.map((name) => medianCell(samples, figure, name))
    return row([labelOf(figure), ...cells])
  })
  return [row(['median', ...names]), row(['---', ...names.map(() => '--:')]), ...rows, '']
}

function medianCell(samples: readonly Sample[], figure: Figure, name: string): string {
  const values = [...valuesOf(samples, figure.id, name).values()]
  const mark = hasFailed(samples, figure.id, name) ? failedMark : ''
  return values.length === 0 ? '' : `${shown(spreadOf(values).median, figure)}${mark}`
}

function profileTable({ of, us, count }: Profile): string[] {
  const total = Object.values(us).reduce((sum, each) => sum + each, 0)
  const rows = Object.entries(us)
    .toSorted(([, one], [, other]) => other - one)
    .filter(([, each]) => each >= total / 200)
    .map(([place, each]) => row([place, (each / count).toFixed(1), `${((100 * each) / total).toFixed(0)} %`]))
  return [
    `## Where the time of a ${of} goes`,
    '',
    `llm-gateway's main thread, sampled over ${count.toLocaleString('en')} of them. It runs from its sources here, and sampling slows it down: the shares count, not the µs. \`llm-gateway: NAME\` is the folder \`src/NAME\`.`,
    '',
    '| part | µs | share |',
    '|---|--:|--:|',
    ...rows,
    row(['all', (total / count).toFixed(1), '']),
    '',
  ]
}

function faultLines({ faults, figures }: Account): string[] {
  if (faults.size === 0) return ['No call failed.', '']
  const lines = [...faults].map(([where, why]) => `- ${titled(where, figures)}: ${describeFaults(why)}.`)
  return [
    '## Failed calls',
    '',
    'Figures of the same calls, such as p50 and p99, have the same failures.',
    '',
    ...lines,
    '',
  ]
}

/** `contender, id of a figure` with the title of the figure. */
function titled(where: string, figures: readonly Figure[]): string {
  const end = where.lastIndexOf(', ') + 2
  const figure = figures.find(({ id }) => id === where.slice(end))
  return figure === undefined ? where : where.slice(0, end) + figure.title
}

function figureTable(figure: Figure, { samples, contenders }: Account, own: string): string[] {
  const measured = new Set(
    samples.filter((sample) => sample.figure === figure.id).map((each) => each.contender),
  )
  const names = [...contenders.map(({ name }) => name), directName].filter((name) => measured.has(name))
  if (names.length === 0) return []
  const ours = valuesOf(samples, figure.id, own)
  const hasRatios = figure.isContext !== true
  const rows = names.map((name) => {
    const values = valuesOf(samples, figure.id, name)
    const ratios = !hasRatios || name === own || name === directName ? undefined : ratiosOf(ours, values)
    const failed = samples
      .filter((sample) => sample.figure === figure.id && sample.contender === name)
      .reduce((total, sample) => total + sample.failed, 0)
    const cells = threeOf(spreadOf([...values.values()]), (value) => shown(value, figure))
    return row([name, ...cells, ...threeOf(ratios, significant), failed === 0 ? '' : String(failed)])
  })
  return [
    `### ${capital(figure.title)}`,
    '',
    `| ${unitOf(figure)} | min | median | max | ratio: min | median | max | failed |`,
    '|---|--:|--:|--:|--:|--:|--:|--:|',
    ...rows,
    '',
  ]
}

function labelOf(figure: Figure): string {
  return `${figure.title}, ${unitOf(figure)}`
}

function unitOf({ unit, isMoreBetter }: Figure): string {
  return isMoreBetter === true ? `${unit} (more is better)` : unit
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
