// Where the gateway listens, or would: each address is the gateway's own already, free, or another program's.
import { lstatSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { describeListener } from './listening-program.ts'
import type { Finding } from './finding.ts'

export interface ExaminedAddresses {
  /** Without brackets. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  /** Held by the service manager for a service that does not run: asking there would start it. */
  readonly waitingSockets: readonly string[]
  /** The manager's sockets are served in the place of `unixSocket`. */
  readonly hasSockets: boolean
}

/** @param isAsking false where nobody may be asked: a service that can't start would be started, and fail. */
export async function examineListener(addresses: ExaminedAddresses, isAsking: boolean): Promise<Finding[]> {
  const { hosts, port, unixSocket, waitingSockets, hasSockets } = addresses
  const tcp = hosts.map(async (host): Promise<Finding> => {
    const subject = `${host.includes(':') ? `[${host}]` : host}:${port}`
    if (waitingSockets.includes(subject)) {
      return { subject, state: 'ok', detail: 'systemd holds it; the first call starts the gateway' }
    }
    return { subject, ...(await examineTcp(host, port, isAsking)) }
  })
  const unix = unixSocket === undefined || hasSockets ? [] : [examineUnix(unixSocket)]
  return Promise.all([...tcp, ...unix])
}

type Seen = Omit<Finding, 'subject'>

async function examineTcp(host: string, port: number, isAsking: boolean): Promise<Seen> {
  const bound = await bindFault(host, port)
  if (bound === undefined) return { state: 'ok', detail: 'free' }
  if (bound === 'EADDRNOTAVAIL') return { state: 'skipped', detail: 'this machine has no such address' }
  if (bound === 'EACCES') {
    const detail = `this user may not listen on port ${port}`
    return { state: 'fail', detail, fix: 'choose a port from 1024 on: server.port, or LLM_GATEWAY_PORT' }
  }
  if (bound !== 'EADDRINUSE') return { state: 'fail', detail: `it can't be listened on (${bound})` }
  if (!isAsking)
    return {
      state: 'skipped',
      detail: `taken by ${describeListener(host, port)}; not asked, because the configuration is not valid`,
    }
  return judge(await askHealth({ host, port }), () => describeListener(host, port))
}

async function examineUnix(path: string): Promise<Finding> {
  const subject = `unix:${path}`
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return { subject, state: 'ok', detail: 'free' }
  if (!status.isSocket()) {
    const detail = 'it is there, and is no socket'
    return { subject, state: 'fail', detail, fix: 'move it away, or choose another server.unix_socket' }
  }
  const answer = await askHealth({ socketPath: path })
  if (answer.kind === 'silent' && answer.code === 'ECONNREFUSED') {
    return { subject, state: 'ok', detail: 'left over by a gateway that ended; the next one replaces it' }
  }
  return { subject, ...judge(answer, () => 'another program') }
}

/** The code of the system's refusal; undefined when the address could be had. */
function bindFault(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'))
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  return promise
}

type Health =
  /** `errorCode`: the gateway's own, where it refuses to serve us. */
  | { readonly kind: 'gateway'; readonly errorCode: string | undefined }
  | { readonly kind: 'stranger' }
  | { readonly kind: 'silent'; readonly code: string }

function judge(health: Health, holder: () => string): Seen {
  if (health.kind === 'gateway') {
    if (health.errorCode === undefined) return { state: 'ok', detail: 'the gateway answers' }
    const detail = `the gateway answers, but does not serve this user (${health.errorCode})`
    return {
      state: 'ok',
      detail,
      fix:
        health.errorCode === 'user_not_allowed'
          ? 'to be served: add the user to access.allowed_users'
          : undefined,
    }
  }
  const fix = `stop it, or choose another port: server.port, or LLM_GATEWAY_PORT`
  if (health.kind === 'stranger')
    return { state: 'fail', detail: `taken by ${holder()}, which is not the gateway`, fix }
  return { state: 'fail', detail: `taken by ${holder()}, which does not answer (${health.code})`, fix }
}

const healthTimeoutMs = 3_000
const maxHealthBytes = 4_096

/** The gateway repeats a request's id and names its own errors; a program that only answers `ok` does neither. */
function askHealth(where: { host: string; port: number } | { socketPath: string }): Promise<Health> {
  const { promise, resolve } = Promise.withResolvers<Health>()
  const id = 'llm-gateway-doctor'
  const asked = request({
    ...where,
    path: '/healthz',
    agent: false,
    headers: { 'x-request-id': id, ...('socketPath' in where && { host: 'localhost' }) },
    signal: AbortSignal.timeout(healthTimeoutMs),
  })
  asked.on('response', (response) => {
    const { 'x-request-id': repeated, 'x-llm-gateway-error': error } = response.headers
    let text = ''
    const end = () => {
      asked.destroy()
      if (typeof error === 'string') resolve({ kind: 'gateway', errorCode: error.slice(0, 40) })
      const isOurs = response.statusCode === 200 && repeated === id && text === '{"status":"ok"}'
      resolve(isOurs ? { kind: 'gateway', errorCode: undefined } : { kind: 'stranger' })
    }
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      if (text.length > maxHealthBytes) end()
    })
    response.on('end', end)
    response.on('error', end)
  })
  asked.on('error', (error: NodeJS.ErrnoException) => {
    resolve({
      kind: 'silent',
      code:
        error.name === 'AbortError' || error.name === 'TimeoutError'
          ? 'no answer'
          : (error.code ?? 'unknown'),
    })
  })
  asked.end()
  return promise
}
