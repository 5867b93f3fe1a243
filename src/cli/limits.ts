// `llm-gateway limits`: how the limits of the running gateway stand, as `GET /v1/limits` reports them.
import { request } from 'node:http'
import { isObject, membersOf, parseJson } from '../bytes/json/parse.ts'
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import type { ServerConfig } from '../config/types.ts'
import { hostPort } from '../platform/host-port.ts'
import { askControl } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'
import { printTable } from './table.ts'
import { printable } from '../platform/printable.ts'
import { printProblems } from './validate-config.ts'

/** @returns the exit status: 0, or 1 when the configuration is invalid or the gateway does not answer. */
export async function limitsCommand(
  io: CommandIo,
  options: { readonly config: string | undefined; readonly json: boolean },
): Promise<number> {
  const file = findConfigFile(options.config, io.env)
  const loaded = loadConfig(file, { env: io.env, withoutSecrets: true })
  if (!loaded.ok) {
    printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const answer = await askLimits(io.env, file, loaded.config.server)
  if (answer.kind === 'failed') {
    new Output(io.stderr, io.env).line(`error: ${printable(answer.message)}`)
    return 1
  }
  const out = new Output(io.stdout, io.env)
  if (options.json) out.json(answer.report)
  else printReport(out, answer.report)
  return 0
}

type Answer =
  | { readonly kind: 'read'; readonly report: Record<string, unknown> }
  | { readonly kind: 'failed'; readonly message: string }

const timeoutMs = 5_000
/** Some hundred bytes for each model. */
const maxReportBytes = 16 * 1024 * 1024

/** Asks the control socket: that of a gateway with this file. A gateway of another user is asked as any client asks it. */
async function askLimits(env: NodeJS.ProcessEnv, file: string, server: ServerConfig): Promise<Answer> {
  const answer = await askControl(env, 'GET /-/limits', file)
  switch (answer.kind) {
    case 'answered':
      return { kind: 'read', report: answer.body }
    case 'failed':
      return answer
    case 'absent':
      return askAsClient(server)
    default:
      return answer satisfies never
  }
}

/** Asks at the first address of the configuration, else at the socket. */
function askAsClient({ hosts, port, unixSocket }: ServerConfig): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const [host] = hosts
  const where = host === undefined ? { socketPath: unixSocket ?? '' } : { host, port }
  const address = host === undefined ? `unix:${unixSocket}` : hostPort(host, port)
  const fail = (message: string) => resolve({ kind: 'failed', message })
  const sent = request({
    ...where,
    path: '/v1/limits',
    agent: false,
    ...(host === undefined && { headers: { host: 'localhost' } }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  sent.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      if (text.length > maxReportBytes) sent.destroy()
    })
    response.on('end', () => {
      const report = parseJson(text)
      if (response.statusCode === 200 && isObject(report) && Array.isArray(report['data'])) {
        resolve({ kind: 'read', report })
        return
      }
      const { message } = membersOf(membersOf(report)['error'])
      const reason = typeof message === 'string' ? `: ${message}` : ''
      fail(`${address} answered with status ${response.statusCode}${reason}`)
    })
    response.on('error', () => fail(`the answer of ${address} broke off`))
  })
  sent.on('error', (error: NodeJS.ErrnoException) => {
    fail(
      `no gateway answers at ${address} (${error.code ?? error.name}); start it, or name its configuration with --config`,
    )
  })
  sent.end()
  return promise
}

const head = ['model', 'requests', 'tokens', 'parallel', 'waiting', 'next call']

function printReport(out: Output, { client, data }: Record<string, unknown>): void {
  const rows = (data as unknown[]).map(rowOf)
  if (rows.length === 0) {
    out.line('No model has a limit.')
    return
  }
  printTable(out, { head, rows })
  out.line()
  out.line(`used and allowed in the last 60 seconds; asked as ${printable(String(client))}`)
}

function rowOf(entry: unknown): string[] {
  const report = membersOf(entry)
  const [limits, used, next] = ['limits', 'used', 'next_ms'].map((name) => membersOf(report[name]))
  const pair = (count: unknown, limit: unknown) => `${shown(count)}/${shown(limit)}`
  const waitMs = Math.max(Number(next!['requests'] ?? 0), Number(next!['tokens'] ?? 0))
  return [
    printable(String(report['model'])),
    pair(used!['requests'], limits!['rpm']),
    pair(used!['tokens'], limits!['tpm']),
    pair(used!['parallel'], limits!['max_parallel_requests']),
    shown(report['waiting']),
    waitMs === 0 ? 'now' : `in ${Math.ceil(waitMs / 1000)} s`,
  ]
}

function shown(count: unknown): string {
  return typeof count === 'number' ? String(count) : '∞'
}
