// Asks a running gateway over its control socket.
import { request } from 'node:http'
import { realpathSync } from 'node:fs'
import { isObject, membersOf, parseJson } from '../bytes/json/parse.ts'
import { controlSocketPaths } from '../config/find.ts'
import { printable } from '../platform/printable.ts'

export type ControlAnswer =
  | { readonly kind: 'answered'; readonly body: Record<string, unknown> }
  /** No gateway that this user may command listens; these paths were tried. */
  | {
      readonly kind: 'absent'
      readonly paths: readonly string[]
      /** The gateways that listen there, none of which serves the wanted configuration. */
      readonly others: readonly OtherGateway[]
    }
  /** One listens, and cannot do it; for people. */
  | { readonly kind: 'failed'; readonly message: string }

export interface OtherGateway {
  /** The path of its configuration. */
  readonly config: string
  readonly pid: number
}

const timeoutMs = 5_000
/** Some hundred bytes for each model, or each row of a report. */
const maxAnswerBytes = 67_108_864

/**
 * @param command `GET /-/state`.
 * @param config asks only the gateway that was started with this file; undefined: whichever runs.
 * @param input for the command, of at most a MiB.
 * @param waitMs for the answer, where the command may take longer than others.
 */
export async function askControl(
  env: NodeJS.ProcessEnv,
  command: string,
  config: string | undefined,
  input?: object,
  waitMs = timeoutMs,
): Promise<ControlAnswer> {
  const paths = controlSocketPaths(env, process.getuid?.() ?? 0)
  const others: OtherGateway[] = []
  for (const path of paths) {
    if (config !== undefined) {
      const state = await ask(path, 'GET /-/state')
      if (state?.kind !== 'answered') continue
      const served = String(state.body['config'])
      if (!isSameFile(served, config)) {
        others.push({ config: served, pid: Number(state.body['pid']) })
        continue
      }
    }
    const answer = await ask(path, command, input, waitMs)
    if (answer !== undefined) return answer
  }
  return { kind: 'absent', paths, others }
}

/** Why the gateway has not answered; printable. */
export function problemOf(answer: Exclude<ControlAnswer, { kind: 'answered' }>): string {
  if (answer.kind === 'failed') return printable(answer.message)
  if (answer.others.length > 0) {
    const others = answer.others.map((other) => printable(other.config)).join(', ')
    return `no gateway runs with this configuration; one runs with ${others}: name that one, or leave --config out`
  }
  const paths = answer.paths.map((path) => printable(path)).join(', ')
  return `no gateway of this user runs (tried ${paths}); run this as the user of the gateway, or start it`
}

function isSameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other)
  } catch {
    return one === other
  }
}

/** Undefined: nothing listens at this path, or this user may not connect to it. */
function ask(
  socketPath: string,
  command: string,
  input?: object,
  waitMs = timeoutMs,
): Promise<ControlAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<ControlAnswer | undefined>()
  const [method, path] = command.split(' ')
  const fail = (message: string) => resolve({ kind: 'failed', message: `${socketPath}: ${message}` })
  const sent = request({
    socketPath,
    method,
    path,
    agent: false,
    headers: { host: 'localhost' },
    signal: AbortSignal.timeout(waitMs),
  })
  sent.on('response', (response) => {
    const pieces: Buffer[] = []
    let length = 0
    response.on('data', (piece: Buffer) => {
      pieces.push(piece)
      length += piece.length
      if (length > maxAnswerBytes) sent.destroy(new Error('the response is too long'))
    })
    response.on('error', (error) => fail(`the response broke off (${error.message})`))
    response.on('end', () => {
      const body = parseJson(Buffer.concat(pieces))
      if (response.statusCode === 200 && isObject(body)) return resolve({ kind: 'answered', body })
      const { message } = membersOf(membersOf(body)['error'])
      const reason = typeof message === 'string' ? message : 'no reason'
      fail(`the gateway answered with status ${response.statusCode}: ${reason}`)
    })
  })
  sent.on('error', (error: NodeJS.ErrnoException) => {
    const isAbsent = error.code !== undefined && absentCodes.has(error.code)
    if (isAbsent) resolve(undefined)
    else fail(`the gateway does not answer (${error.code ?? error.name})`)
  })
  sent.end(input === undefined ? undefined : JSON.stringify(input))
  return promise
}

const absentCodes: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'EACCES', 'ENOTDIR'])
