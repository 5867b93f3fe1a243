// `llm-gateway report`: what happened in a day, a week or a month, from the ledger, the log of security events and the journal.
import { createReadStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Dimension } from '../ledger/report.ts'
import { readQuestion } from '../ledger/question.ts'
import { printable } from '../platform/printable.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { askControl } from './control-client.ts'
import { findLedger, type LedgerPlace } from './ledger-place.ts'
import { type CommandIo, Output } from './output.ts'
import { gatherReport, type ReportParts } from './report/gather.ts'
import { readJournal } from './report/journal.ts'
import { keyAges } from './report/key-ages.ts'
import { freePeriod, lastPeriod, type PeriodName, type ReportPeriod } from './report/period.ts'
import { printReport } from './report/print.ts'
import { renderJson } from './report/render.ts'
import { sendReport } from './report/send.ts'

export interface ReportOptions {
  readonly period?: PeriodName | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly zone?: string | undefined
  /** Dimensions with commas between them. Absent: the models, then the clients. */
  readonly by?: string | undefined
  /** A file of the gateway's lines in place of the journal; `-` is standard input. */
  readonly file?: string | undefined
  readonly config?: string | undefined
  readonly isJson: boolean
  readonly isCheck: boolean
  /** A service of `notify.sinks` that receives a summary. */
  readonly notify?: string | undefined
  readonly nowMs: number
  readonly version: string
}

type ReportIo = CommandIo & { readonly stdin: AsyncIterable<Buffer | string> }

/** The status of `--check`. */
const [crossed, notWhole] = [1, 2]

/** @returns the exit status: 0; 1 when a message was not sent; 2 for a question that has no answer; with `--check` 1 or 2 as in `docs/observing.md`. */
export async function reportCommand(
  io: ReportIo,
  place: LedgerPlace,
  options: ReportOptions,
): Promise<number> {
  const asked = readSpan(options)
  if (asked.kind === 'fault') {
    new Output(io.stderr, io.env).line(`error: ${printable(asked.message)}`)
    return 2
  }
  const report = await gatherReport({
    ...asked,
    ...(await placesOf(io, place, options)),
    ...logOf(io, place, options.file, asked.period),
  })
  const out = new Output(io.stdout, io.env)
  if (options.isJson) out.json(renderJson(report))
  else printReport(out, report)
  const isSent = options.notify === undefined || (await sendReport(io, options.notify, report, options))
  if (!options.isCheck) return isSent ? 0 : 1
  if (!isSent) return 1
  return report.crossings.length > 0 ? crossed : report.isWhole ? 0 : notWhole
}

type AskedSpan =
  | ({ readonly kind: 'asked' } & Pick<ReportParts, 'period' | 'zone' | 'by' | 'nowMs'>)
  /** For people. */
  | { readonly kind: 'fault'; readonly message: string }

const usualBy: readonly (readonly Dimension[])[] = [['model'], ['client']]

function readSpan({ period: name, since, until, zone: written, by, nowMs }: ReportOptions): AskedSpan {
  if (name !== undefined && (since !== undefined || until !== undefined))
    return { kind: 'fault', message: 'use either --period, or --since and --until' }
  const read = readQuestion(
    { by, since: since ?? '1d', until, zone: written },
    { nowMs, defaultZone: ownTimeZone() },
  )
  if (read.kind === 'fault') return { kind: 'fault', message: `--${read.param}: ${read.message}` }
  const { zone, by: dimensions } = read.question
  const period: ReportPeriod =
    name === undefined ? freePeriod(widened(read.question), nowMs, zone) : lastPeriod(name, nowMs, zone)
  return { kind: 'asked', period, zone, nowMs, by: dimensions.length === 0 ? usualBy : [dimensions] }
}

/** To whole quarters of an hour, which the ledger's sums are of, so that all sources are read for the same time. */
function widened({ sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number }) {
  const quarterMs = 15 * 60_000
  return {
    sinceMs: Math.floor(sinceMs / quarterMs) * quarterMs,
    untilMs: Math.ceil(untilMs / quarterMs) * quarterMs,
  }
}

async function placesOf(
  io: CommandIo,
  place: LedgerPlace,
  { config, nowMs, version }: ReportOptions,
): Promise<Pick<ReportParts, 'ledgerPath' | 'auditDirectory' | 'keys' | 'versions'>> {
  const ledgerPath = findLedger(place, io.env)?.path
  const state = await askControl(io.env, 'GET /-/version', config)
  return {
    ledgerPath,
    auditDirectory: ledgerPath === undefined ? undefined : dirname(ledgerPath),
    keys: keyAges(io.env, { paths: place.paths, config }, nowMs),
    versions: {
      installed: version,
      running: state.kind === 'answered' ? String(state.body['version']) : undefined,
    },
  }
}

function logOf(
  io: ReportIo,
  { paths }: LedgerPlace,
  file: string | undefined,
  { untilMs, before }: ReportPeriod,
): Pick<ReportParts, 'logPlace' | 'openLog' | 'hasLines'> {
  if (file === undefined) {
    return {
      logPlace: 'the journal',
      openLog: (read) => readJournal(paths.scope, { sinceMs: before.sinceMs, untilMs }, read),
      async hasLines(end) {
        const run = await readJournal(
          paths.scope,
          { ...(end !== undefined && { untilMs: end }), lines: 1 },
          hasBytes,
        )
        return run.kind === 'read' && run.result
      },
    }
  }
  return {
    logPlace: file === '-' ? 'standard input' : file,
    async openLog(read) {
      try {
        return { kind: 'read', result: await read(file === '-' ? bytesOf(io.stdin) : createReadStream(file)) }
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException
        if (code === undefined) throw error
        return { kind: 'fault', reason: message }
      }
    },
    hasLines: undefined,
  }
}

async function hasBytes(stream: AsyncIterable<Buffer>): Promise<boolean> {
  let length = 0
  for await (const chunk of stream) length += chunk.length
  return length > 0
}

async function* bytesOf(stream: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
