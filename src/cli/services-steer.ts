// `llm-gateway services start` and `stop`: asks the running gateway, and waits until it is done.
import { userInfo } from 'node:os'
import { durationText } from '../platform/duration.ts'
import { printable } from '../platform/printable.ts'
import { systemClock } from '../platform/clock.ts'
import type { ServiceRow } from '../status/status-report.ts'
import { isInJournal, resultText } from '../status/services-text.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type Scope, scopeOptions } from '../systemd/scope.ts'
import { timeSpanMs } from '../systemd/time-span.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { askControl, problemOf } from './control-client.ts'
import { Progress } from './doctor/progress.ts'
import { type CommandIo, Output } from './output.ts'
import { askServices, findService } from './running-services.ts'
import { journalText, readServiceJournal } from './service-journal.ts'

interface SteerOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  /** Returns only when it is done. */
  readonly isWaiting: boolean
  readonly run: RunProgram
}

type Verb = 'start' | 'stop'

const words = {
  start: { goal: 'ready', doing: 'starting', not: 'is not ready' },
  stop: { goal: 'stopped', doing: 'stopping', not: 'has not stopped' },
} as const

/** How long the gateway holds an answer back for the end of what was asked for. */
const waitMs = 1_000
const journalLines = 10

/** @returns the exit status: 0, or 1 when it did not work, with the reason and the last lines of its journal. */
export async function servicesSteerCommand(
  io: CommandIo,
  verb: Verb,
  name: string,
  { config, isWaiting, run }: SteerOptions,
): Promise<number> {
  const errors = new Output(io.stderr, io.env)
  const fail = (problem: string) => {
    errors.line(printable(`error: ${problem}`))
    return 1
  }
  const running = await askServices(io.env, config)
  if (typeof running === 'string') return fail(running)
  const service = findService(running.services, name)
  if (typeof service === 'string') return fail(service)
  const out = new Output(io.stdout, io.env)
  const { goal, doing, not } = words[verb]
  if (service.state === goal) {
    out.line(printable(`${name} is ${goal} already`))
    return 0
  }
  const sinceMs = performance.now()
  const ended = await waitForEnd(io, verb, service, { config, isWaiting, run, scope: running.scope })
  switch (ended.kind) {
    case 'under_way':
      out.line(printable(`${name} is ${doing}`))
      return 0
    case 'done':
      out.line(printable(`${name} is ${goal} after ${durationText(performance.now() - sinceMs)}`))
      return 0
    case 'refused':
      fail(`${name} ${not}: ${resultText(ended.reason)}`)
      reportChangedFile(errors, run, running.scope, service)
      if (isInJournal(ended.reason)) printJournal(errors, run, running.scope, service)
      return 1
    case 'lost':
      return fail(ended.reason)
    default:
      return ended satisfies never
  }
}

type Ended =
  | { readonly kind: 'done' | 'under_way' }
  /** By the service, or the one who starts it. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The gateway does not answer. */
  | { readonly kind: 'lost'; readonly reason: string }

/** What is under way is joined by each question, so that it is begun once. The gateway bounds a start, and systemd a stop. */
async function waitForEnd(
  io: CommandIo,
  verb: Verb,
  { provider, unit }: ServiceRow,
  { config, isWaiting, run, scope }: SteerOptions & { readonly scope: Scope },
): Promise<Ended> {
  const actor = `user:${userInfo().username}`
  const progress = new Progress(io, systemClock)
  let stopTimeoutMs: number | undefined
  if (isWaiting) progress.wait(provider, `${words[verb].doing} ${unit}`)
  try {
    for (;;) {
      const input = { provider, wait_ms: isWaiting ? waitMs : 0, actor }
      const answer = await askControl(io.env, `POST /-/services/${verb}`, config, input)
      if (answer.kind !== 'answered') return { kind: 'lost', reason: problemOf(answer) }
      const { done, failure } = answer.body
      if (typeof failure === 'string') return { kind: 'refused', reason: failure }
      if (done === true) return { kind: 'done' }
      if (!isWaiting) return { kind: 'under_way' }
      if (verb !== 'stop') continue
      stopTimeoutMs ??= stopTimeoutOf(run, scope, unit)
      const hung = await hungStop(io, config, provider, stopTimeoutMs)
      if (hung !== undefined) return { kind: 'refused', reason: hung }
    }
  } finally {
    progress.done(provider)
  }
}

/** What systemd may take after the time that it lets the unit's processes have. */
const stopMarginMs = 30_000

/** systemd's own default, for a unit without a limit or one that cannot be read. */
const usualStopMs = 90_000

function stopTimeoutOf(run: RunProgram, scope: Scope, unit: string): number {
  const { TimeoutStopUSec: text = '' } = readUnitState(unit, ['TimeoutStopUSec'], scope, run)
  const ms = timeSpanMs(text) ?? Infinity
  return ms === Infinity ? usualStopMs : ms
}

/** @returns that its unit takes longer to stop than systemd lets it. Undefined: it does not, or its calls have not ended. */
async function hungStop(
  io: CommandIo,
  config: string | undefined,
  provider: string,
  stopTimeoutMs: number,
): Promise<string | undefined> {
  const running = await askServices(io.env, config)
  if (typeof running === 'string') return undefined
  const row = running.services.find((each) => each.provider === provider)
  if (row?.state !== 'stopping') return undefined
  const tookMs = Date.now() - Date.parse(row.since)
  if (tookMs < stopTimeoutMs + stopMarginMs) return undefined
  return `its unit has been stopping for ${durationText(tookMs)}, and systemd allows it ${durationText(stopTimeoutMs)}`
}

/** Otherwise a person edits the unit's file again and again, and sees the same failure. */
function reportChangedFile(out: Output, run: RunProgram, scope: Scope, { unit }: ServiceRow): void {
  const { NeedDaemonReload: isOld } = readUnitState(unit, ['NeedDaemonReload'], scope, run)
  if (isOld !== 'yes') return
  const command = ['systemctl', ...scopeOptions(scope), 'daemon-reload'].join(' ')
  out.line(printable(`the file of ${unit} has changed since systemd read it: ${command}`))
}

function printJournal(out: Output, run: RunProgram, scope: Scope, { unit }: ServiceRow): void {
  const journal = readServiceJournal(run, scope, unit, journalLines)
  out.line(printable(`the last lines of the journal of ${unit}:`))
  for (const line of journalText(unit, journal)) out.line(line)
}
