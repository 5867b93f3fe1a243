// The command line of `npm run bench -- growth`.
import { parseArgs } from 'node:util'

import { countOf, namesOf } from '../command.ts'

export interface Options {
  readonly isQuick: boolean
  /** Undefined: all. */
  readonly only: readonly string[] | undefined
  readonly rounds: number
  readonly seed: number
  /** Where the report goes; undefined: to standard output. */
  readonly out: string | undefined
}

/** What grows. */
const axes = {
  models: 'models in the configuration',
  windows: 'calls in the window of a limit',
  keys: 'keys, ten of which call',
  clients: 'clients that call in turn',
  scopes: 'limits and budgets that count a call',
  ledger: 'calls in the usage ledger',
  streams: 'open streams',
  workers: 'worker threads',
} as const

export const axisNames = Object.keys(axes) as readonly (keyof typeof axes)[]

export const help = `npm run bench -- growth [options]

Measures the CPU time of a call as llm-gateway has more to know or to hold. Each of these is measured small
and large, side by side in the same rounds:

${Object.entries(axes)
  .map(([name, what]) => `  ${name.padEnd(18)} ${what}`)
  .join('\n')}

  --quick            a check of some seconds: everything is measured once with small numbers; only failed
                     calls count, and nothing is written
  --only NAMES       only some of the above, separated by commas
  --rounds N         how often each size is measured (7)
  --seed N           seed of the order of sizes within a round (1)
  --out DIRECTORY    write growth.md there (bench/results for a full run; with --only the report is printed
                     instead)

The exit status is 0 when all is flat that should be; 1 when something is not, or calls failed; 2 for options
that are not understood.
`

/** @throws TypeError for an unknown option, RangeError for a bad number or name. */
export function readOptions(args: readonly string[], defaultOut: string): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const only = namesOf('only', values.only, axisNames)
  return {
    isQuick: values.quick,
    only,
    rounds: countOf('rounds', values.rounds ?? (values.quick ? '1' : '7')),
    seed: countOf('seed', values.seed),
    out: values.out ?? (values.quick || only !== undefined ? undefined : defaultOut),
  }
}
