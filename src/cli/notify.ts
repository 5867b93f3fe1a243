// `llm-gateway notify test` and `llm-gateway notify unit-failed`: messages to the services of `notify.sinks` from a process of
// their own, so that they work while the gateway does not.
import { setTimeout } from 'node:timers/promises'
import { keepsStates, type OnceMessage, sendOnce } from '../app/send-once.ts'
import { findConfigFile } from '../config/find.ts'
import { openConfig } from '../config/load.ts'
import { openNotify } from '../config/open-notify.ts'
import type { NotifySink } from '../config/observe-types.ts'
import type { Clock } from '../platform/clock.ts'
import { printable } from '../platform/printable.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printProblems } from './validate-config.ts'

/** Between attempts to report the end of a unit, in milliseconds: a machine that starts may have no network yet. */
const usualPausesMs = [5_000, 30_000] as const

/** @param name undefined: all of them. @returns the exit status: 0 when every service has taken the message. */
export async function notifyTestCommand(
  io: CommandIo,
  { config, name }: { readonly config: string | undefined; readonly name: string | undefined },
  clock: Pick<Clock, 'wallNow'>,
): Promise<number> {
  const sinks = await sinksOf(io, config, name)
  if (sinks === undefined) return 1
  const message: OnceMessage = {
    rule: 'Test',
    subject: 'notify test',
    severity: 'info',
    title: 'This is a test of llm-gateway notify.',
    text: 'Nothing is wrong.',
  }
  const out = new Output(io.stdout, io.env)
  let failed = 0
  for (const sink of sinks) {
    const { isTaken, said } = await sendOnce(sink, message, clock.wallNow())
    // Nobody should have to close the incident of a test.
    if (isTaken && keepsStates(sink)) await sendOnce(sink, { ...message, isEnd: true }, clock.wallNow())
    if (!isTaken) failed += 1
    const word = isTaken ? out.styled('green', 'sent') : out.styled('red', 'failed')
    out.line(`${sink.name} (${sink.kind}): ${word}, ${said}`)
  }
  return failed === 0 ? 0 : 1
}

/** @param unit as systemd names it. @returns the exit status: 0 when every service has taken the message. */
export async function notifyUnitFailedCommand(
  io: CommandIo,
  { config, unit }: { readonly config: string | undefined; readonly unit: string },
  clock: Pick<Clock, 'wallNow'>,
  pausesMs: readonly number[] = usualPausesMs,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  if (!/^[\w:.@\\-]{1,255}$/.test(unit)) {
    err.line('That is not the name of a unit.')
    return 1
  }
  const sinks = await sinksOf(io, config, undefined, 'section')
  if (sinks === undefined) return 1
  const message: OnceMessage = {
    rule: 'UnitFailed',
    subject: unit,
    severity: 'critical',
    title: `The unit ${unit} has failed.`,
    text: `${resultOf(io.env)}\nTo do: look at its journal: journalctl -e --user-unit ${unit} or, of the system, -u ${unit}`,
  }
  const results = await Promise.all(
    sinks.map(async (sink) => {
      let sent = await sendOnce(sink, message, clock.wallNow())
      for (const pauseMs of pausesMs) {
        if (sent.isTaken) break
        await setTimeout(pauseMs)
        sent = await sendOnce(sink, message, clock.wallNow())
      }
      if (!sent.isTaken) err.line(printable(`${sink.name} (${sink.kind}): ${sent.said}`))
      return sent.isTaken
    }),
  )
  return results.every(Boolean) ? 0 : 1
}

/** As systemd (251 and later) passes it to units of `OnFailure=`: systemd.exec(5), $MONITOR_SERVICE_RESULT. */
function resultOf(env: NodeJS.ProcessEnv): string {
  const word = (name: string) => (/^[\w-]{1,40}$/.test(env[name] ?? '') ? env[name]! : undefined)
  const result = word('MONITOR_SERVICE_RESULT')
  if (result === undefined) return 'systemd has given up restarting it.'
  const [code, status] = [word('MONITOR_EXIT_CODE'), word('MONITOR_EXIT_STATUS')]
  return `Its result is ${result}${code === undefined ? '' : ` (${code} ${status ?? ''})`.replace(' )', ')')}.`
}

/**
 * Of the configuration. Undefined, with the reason on standard error: there is nothing to send to.
 * @param name undefined: all of them.
 * @param valid what has to be without problems: all of the file, or `notify` only.
 */
export async function sinksOf(
  io: CommandIo,
  config: string | undefined,
  name: string | undefined,
  valid: 'file' | 'section' = 'file',
): Promise<readonly NotifySink[] | undefined> {
  const err = new Output(io.stderr, io.env)
  // A crash report would list the environment, and with it the keys.
  process.report.excludeEnv = true
  const file = findConfigFile(config, io.env)
  const loaded = await openConfig(file, { env: io.env, mayLackSecrets: true })
  // The gateway may have failed because of a fault elsewhere in the file.
  const read = loaded.ok
    ? { raw: loaded.raw, notify: loaded.config.notify }
    : valid === 'section'
      ? await openNotify(file, io.env)
      : undefined
  if (!loaded.ok && read === undefined) printProblems(io, loaded.problems, loaded.lines)
  if (read === undefined) return undefined
  const { sinks } = read.notify
  const written = Object.keys(read.raw.notify?.sinks ?? {})
  const missing = written.filter((each) => !sinks.some((sink) => sink.name === each))
  const wanted = name === undefined ? written : [name]
  if (wanted.length === 0) err.line(`${printable(file)} has no notify.sinks.`)
  const unknown = wanted.find((each) => !written.includes(each))
  if (unknown !== undefined) {
    const others = written.length === 0 ? '' : `; ${counted(written.length, 'sink')}: ${written.join(', ')}`
    err.line(printable(`${file} has no sink ${unknown}${others}.`))
    return undefined
  }
  const lacking = wanted.filter((each) => missing.includes(each))
  for (const each of lacking) {
    err.line(printable(`The secret of the sink ${each} is not available here: validate-config shows which.`))
  }
  const found = sinks.filter((sink) => wanted.includes(sink.name))
  return found.length === 0 || (lacking.length > 0 && name !== undefined) ? undefined : found
}
