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

export const axisNames = [
  'models',
  'windows',
  'keys',
  'clients',
  'scopes',
  'ledger',
  'streams',
  'workers',
] as const

export const help = `npm run bench -- growth [options]

Measures what a call costs llm-gateway as what it has to know or hold grows: models, entries in the windows of limits,
keys, clients, scopes of a call, rows of the ledger, open streams, worker threads. Each is measured small and large in
the same rounds, by the CPU time of the gateway's process.

  --quick            a smoke run: everything is measured once with small numbers; only failed calls are
                     looked at, and nothing is written
  --only NAMES       some of ${axisNames.join(', ')}
  --rounds N         how often each is measured (7)
  --seed N           of the order within the rounds (1)
  --out DIRECTORY    where growth.md goes (bench/results for a full run; a run of some prints its report)

The exit status is 0 when all is flat that should be, 1 when something is not or calls failed, 2 for options that are not
understood.
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
