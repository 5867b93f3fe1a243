// The command line of `npm run bench -- gateways`.
import { parseArgs } from 'node:util'

import { countOf, namesOf } from '../command.ts'
import type { Scale } from './figure.ts'
import { roundsThatCount } from './report.ts'

export interface Options {
  readonly isQuick: boolean
  /** Lower case; undefined: all. */
  readonly only: readonly string[] | undefined
  readonly figures: readonly string[] | undefined
  readonly rounds: number
  readonly seed: number
  /** Another checkout of llm-gateway to measure beside this one. */
  readonly baseline: string | undefined
  /** Where the report goes; undefined: to standard output. */
  readonly out: string | undefined
}

const contenderNames = [
  'ours',
  'variants',
  'nginx',
  'haproxy',
  'caddy',
  'node',
  'litellm',
  'olla',
  'llama-swap',
  'llm-router',
  'portkey',
  'claude-code-router',
  'bifrost',
  'agentgateway',
]
const figureNames = [
  'cpu',
  'latency',
  'throughput',
  'first-event',
  'bodies',
  'dialects',
  'life',
  'translation',
  'profile',
]

export const help = `npm run bench -- gateways [options]

Measures llm-gateway against the gateways and proxies that are on this machine.

  --quick            a smoke run: every contender answers right, every figure is measured once with
                     small numbers; times are not looked at and nothing is written
  --only NAMES       some contenders: ${contenderNames.join(', ')};
                     variants: ours with keys on, and with parts of it off
  --figures NAMES    some figures: ${figureNames.join(', ')}
  --rounds N         how often each is measured (${roundsThatCount}; at least as often for a report that counts)
  --baseline DIR     measure another checkout of llm-gateway, its packages installed, beside this one
  --seed N           of the order within the rounds (1)
  --out DIRECTORY    where gateways.md and gateways.svg go (bench/results for a full run; a run of some
                     contenders or figures prints its report)
`

/** @throws TypeError for an unknown option, RangeError for a bad number or name. */
export function readOptions(args: readonly string[], defaultOut: string): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      figures: { type: 'string' },
      rounds: { type: 'string' },
      baseline: { type: 'string' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const [only, figures] = [
    namesOf('only', values.only, contenderNames),
    namesOf('figures', values.figures, figureNames),
  ]
  const isPartial =
    only !== undefined || figures !== undefined || values.quick || values.baseline !== undefined
  return {
    isQuick: values.quick,
    only,
    figures,
    rounds: countOf('rounds', values.rounds ?? (values.quick ? '1' : String(roundsThatCount))),
    seed: countOf('seed', values.seed),
    baseline: values.baseline,
    out: values.out ?? (isPartial ? undefined : defaultOut),
  }
}

/** @param maxFiles how many files one process may open: a stream takes two in a gateway. */
export function scaleOf({ isQuick, rounds }: Options, maxFiles: number): Scale {
  if (isQuick) {
    return {
      isQuick,
      rounds,
      measureMs: 120,
      warmUpMs: 20,
      warmUpCalls: 100,
      leadMs: 10,
      openRate: 200,
      streams: 5,
      heldStreams: 20,
      bodyBytes: [1000, 200_000],
    }
  }
  return {
    isQuick,
    rounds,
    measureMs: 1600,
    warmUpMs: 20_000,
    // V8 goes on compiling for as long.
    warmUpCalls: 60_000,
    leadMs: 1500,
    openRate: 500,
    streams: 50,
    heldStreams: Math.min(10_000, Math.floor((maxFiles - 400) / 2)),
    bodyBytes: [1000, 100_000, 1_000_000, 10_000_000],
  }
}
