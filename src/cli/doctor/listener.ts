// Checks the addresses at which the gateway listens or would listen: each is in use by the gateway, free, or taken.
import { lstatSync } from 'node:fs'
import { createServer } from 'node:net'
import { hostPort } from '../../platform/host-port.ts'
import { describeListener, findListener } from './listening-program.ts'
import type { Finding } from './finding.ts'
import { type Health, requestHealth } from './request-health.ts'

export interface ListenAddresses {
  /** Without brackets. */
  readonly hosts: readonly string[]
  readonly port: number
  readonly unixSocket: string | undefined
  /** Addresses that the service manager holds for a stopped service: a request there would start it. */
  readonly waitingSockets: readonly string[]
  /** The service uses the manager's sockets instead of `unixSocket`. */
  readonly hasSockets: boolean
}

/** @param mayRequest false with an invalid configuration: a request could start the service, which would fail. */
export async function examineListener(addresses: ListenAddresses, mayRequest: boolean): Promise<Finding[]> {
  const { hosts, port, unixSocket, waitingSockets, hasSockets } = addresses
  const tcp = hosts.map(async (host): Promise<Finding> => {
    const subject = hostPort(host, port)
    if (waitingSockets.includes(subject)) {
      return { subject, state: 'ok', detail: 'systemd holds it; the first call starts the gateway' }
    }
    return { subject, ...(await examineTcp(host, port, mayRequest)) }
  })
  const unix = unixSocket === undefined || hasSockets ? [] : [examineUnix(unixSocket)]
  return Promise.all([...tcp, ...unix])
}

type AddressFinding = Omit<Finding, 'subject'>

async function examineTcp(host: string, port: number, mayRequest: boolean): Promise<AddressFinding> {
  const fault = await bindFault(host, port)
  if (fault === undefined) return { state: 'ok', detail: 'free' }
  if (fault === 'EADDRNOTAVAIL') return { state: 'skipped', detail: 'this machine does not have the address' }
  if (fault === 'EACCES') {
    const detail = `this user may not listen on port ${port}`
    return { state: 'fail', detail, fix: 'choose a port above 1023: server.port, or LLM_GATEWAY_PORT' }
  }
  if (fault !== 'EADDRINUSE') return { state: 'fail', detail: `cannot listen there (${fault})` }
  if (!mayRequest)
    return {
      state: 'skipped',
      detail: `taken by ${describeListener(host, port)}; not examined further, because the configuration is not valid`,
    }
  const health = await requestHealth({ host, port })
  const found = diagnose(health, () => describeListener(host, port))
  const pid = health.kind === 'gateway' ? findListener(host, port) : undefined
  return pid === undefined ? found : { ...found, figures: { pid } }
}

async function examineUnix(path: string): Promise<Finding> {
  const subject = `unix:${path}`
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return { subject, state: 'ok', detail: 'free' }
  if (!status.isSocket()) {
    const detail = 'the path exists and is not a socket'
    return { subject, state: 'fail', detail, fix: 'move it away, or choose another server.unix_socket' }
  }
  const health = await requestHealth({ socketPath: path })
  if (health.kind === 'silent' && health.code === 'ECONNREFUSED') {
    return {
      subject,
      state: 'ok',
      detail: 'left over from a gateway that has ended; the next start replaces it',
    }
  }
  return { subject, ...diagnose(health, () => 'another program') }
}

/** The system's error code; undefined if the address is free. */
function bindFault(host: string, port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'UNKNOWN'))
  server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  return promise
}

function diagnose(health: Health, holder: () => string): AddressFinding {
  if (health.kind === 'gateway') {
    if (health.errorCode === undefined) return { state: 'ok', detail: 'the gateway responds' }
    if (health.errorCode === 'overloaded') {
      const fix = 'end programs that hold connections open, or raise the limit of file descriptors'
      return { state: 'warn', detail: 'the gateway responds, but all of its connections are in use', fix }
    }
    const detail = `the gateway responds, but refuses this user (${health.errorCode})`
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
  return { state: 'fail', detail: `taken by ${holder()}, which does not respond (${health.code})`, fix }
}
