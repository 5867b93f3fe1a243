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

/** Contenders whose names do not say what they are. */
const described = {
  ours: 'llm-gateway',
  variants: 'llm-gateway with keys on, or without ledger, metrics, status page',
  node: 'a bare proxy in Node.js: the floor for a gateway on that runtime',
} as const
const proxies = ['nginx', 'haproxy', 'caddy', 'olla', 'llama-swap', 'bifrost', 'agentgateway'] as const
const others = ['litellm', 'llm-router', 'portkey', 'claude-code-router'] as const
const contenderNames: readonly string[] = [...Object.keys(described), ...proxies, ...others]

const figureGroups = {
  cpu: 'CPU time of a plain call and of a streamed event',
  latency: 'at one connection and at 500 calls/s',
  throughput: 'at 32 and at 256 connections',
  'first-event': 'delay of the first event of a stream',
  bodies: 'CPU time by size of the request; the longest event-loop stall',
  dialects: 'CPU time where Messages and Responses are translated to chat',
  life: 'start, idle memory, and thousands of open streams',
  translation: 'llm-gateway alone: translated calls against calls that pass through',
  profile: 'llm-gateway alone: where the time goes',
} as const
const figureNames = Object.keys(figureGroups)

export const help = `npm run bench -- gateways [options]

Compares llm-gateway with the gateways and proxies on this machine, each in front of the same scripted
model server. Programs are looked for on the PATH; llm-router, Portkey and claude-code-router are installed
from npm into ~/.cache/llm-gateway-bench. What is missing is left out, and the report says so. A full run
takes about an hour, on a machine that does nothing else meanwhile.

  --quick            a check of some minutes: every contender answers correctly, and every figure can be
                     measured; timings mean nothing, and nothing is downloaded or written
  --only NAMES       only some contenders, separated by commas:
${listOf(described)}
                     ${proxies.join(', ')},
                     ${others.join(', ')}
  --figures NAMES    only some groups of figures, separated by commas:
${listOf(figureGroups)}
  --rounds N         how often each figure is measured; results are medians (${roundsThatCount}; fewer say little)
  --baseline DIR     measure another checkout of llm-gateway too; its packages have to be installed
  --seed N           seed of the order of contenders within a round (1)
  --out DIRECTORY    write gateways.md and gateways.svg there (bench/results for a full run; with --only,
                     --figures or --baseline the report is printed instead)

The exit status is 0 when all went well; 1 when a contender answered wrong, a measurement broke off or,
with --quick, a call failed; 2 for options that are not understood.
`

function listOf(texts: Readonly<Record<string, string>>): string {
  return Object.entries(texts)
    .map(([name, text]) => `${' '.repeat(21)}${name.padEnd(12)} ${text}`)
    .join('\n')
}

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
