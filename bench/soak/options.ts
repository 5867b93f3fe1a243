// The command line of `npm run bench -- soak`.
import { parseArgs } from 'node:util'

import { countOf } from '../command.ts'

export interface Options {
  readonly isQuick: boolean
  /** How long is measured, in minutes, after the warm-up. */
  readonly minutes: number
  /** Calls in a second. */
  readonly ratePerSecond: number
  /** Between two samples, in milliseconds. */
  readonly intervalMs: number
  readonly seed: number
  /** Where the report goes; undefined: to standard output. */
  readonly out: string | undefined
}

const most = { minutes: 24 * 60, rate: 2000 }
/** A run has about so many samples. */
const usualSamples = 60
/** Each pair of them has a slope. */
const mostSamples = 2000
const intervals = { leastMs: 2000, mostMs: 60_000 }
const quick = { minutes: 0.05, intervalMs: 250, ratePerSecond: 150 }

export const help = `npm run bench -- soak [options]

Sends mixed calls to llm-gateway at a fixed rate for an hour: all API formats, streamed and whole, translated
and passed through, with clients that disconnect, provider errors and refusals among them. Tells whether CPU
per call, latency, memory, open files and handles stay flat.

  --minutes N        length of the measurement, after a warm-up of about 3 minutes (60; up to ${most.minutes})
  --rate R           calls per second (200; up to ${most.rate})
  --interval S       seconds between samples (a sixtieth of the run, from 2 to 60)
  --quick            a check of a few seconds: samples are complete and every call ends as it should;
                     timings mean nothing, and nothing is written
  --seed N           seed of the order of calls (1)
  --out DIRECTORY    write soak.md and soak.svg there (bench/results for a run of 30 minutes or more; the
                     report of a shorter one is printed instead)

The exit status is 0 when everything stayed flat; 1 when something did not, or a call did not end as it should;
2 for options that are not understood.
`

/** @throws TypeError for an unknown option, RangeError for a bad number. */
export function readOptions(args: readonly string[], defaultOut: string): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      minutes: { type: 'string' },
      rate: { type: 'string' },
      interval: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const isQuick = values.quick
  const minutes = numberOf('minutes', values.minutes, most.minutes) ?? (isQuick ? quick.minutes : 60)
  const usualMs = Math.min(
    intervals.mostMs,
    Math.max(intervals.leastMs, Math.round((minutes * 60_000) / usualSamples)),
  )
  const seconds = numberOf('interval', values.interval, 3600)
  if (seconds !== undefined && (minutes * 60) / seconds > mostSamples) {
    throw new RangeError(`--interval ${seconds} makes more than ${mostSamples} samples in ${minutes} minutes`)
  }
  return {
    isQuick,
    minutes,
    ratePerSecond: numberOf('rate', values.rate, most.rate) ?? (isQuick ? quick.ratePerSecond : 200),
    intervalMs: seconds === undefined ? (isQuick ? quick.intervalMs : usualMs) : seconds * 1000,
    seed: countOf('seed', values.seed),
    out: values.out ?? (isQuick || minutes < 30 ? undefined : defaultOut),
  }
}

function numberOf(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (text.trim() === '' || !(number > 0 && number <= most)) {
    throw new RangeError(`--${name} takes a number above 0, up to ${most}, and got ${JSON.stringify(text)}`)
  }
  return number
}
