// A request that passes to a server which is started when it is called. A question (GET, HEAD) starts nothing: what watches a
// server would otherwise keep it running.
import type { ServiceEntry, ServiceVisit } from '../../upstream/services/services.ts'
import type { Snapshot } from '../call.ts'
import { notStarted } from '../enter-service.ts'
import type { CallEnd } from '../record.ts'
import { GatewayError, shuttingDown } from '../../errors.ts'
import { type Passage, passOn } from './pass-on.ts'
import { endGone, sendError } from './respond.ts'

/** As `passOn`, once the server runs. */
export async function passOnInside(passage: Passage, on: Snapshot): Promise<CallEnd> {
  const { call, provider, record } = passage
  const { route } = call
  record.provider = provider.name
  const entry = await enter(passage, on)
  if (entry === undefined) return sendError(notRunning(provider.name, route.method), call, on, record) // 503 service_not_started
  if (call.reply.isGone || entry.kind === 'gone') {
    if (entry.kind === 'entered') entry.visit.leave()
    return endGone(call, on, record) // 499
  }
  if (entry.kind === 'shutting_down') return sendError(shuttingDown(), call, on, record) // 503
  if (entry.kind === 'not_started') {
    return sendError(notStarted(provider.name, entry.failure), call, on, record) // 503 service_not_started
  }
  try {
    return await passOn(passage, on)
  } finally {
    entry.visit.leave()
  }
}

/** Undefined: the server does not run, and the request is not one to start it. */
async function enter({ call, provider, record }: Passage, on: Snapshot): Promise<ServiceEntry | undefined> {
  const { client, reply, route } = call
  if (route.method === 'GET' || route.method === 'HEAD') {
    const visit = await on.coordinator.visitIfOpen(provider.name)
    return visit && inside(visit)
  }
  const entering = on.coordinator.visitService(provider.name, { client, disconnect: reply })
  if (!(entering instanceof Promise)) return inside(entering)
  record.startSinceMs = on.now()
  const entry = await entering
  record.addStart(entry.waitedMs, on.now())
  return entry
}

function inside(visit: ServiceVisit): ServiceEntry {
  return { kind: 'entered', visit, waitedMs: 0 }
}

function notRunning(provider: string, method: string): GatewayError {
  const message = `The server of provider "${provider}" is not running, and a ${method} does not start it. A call of one of its models does, or: llm-gateway services start ${provider}`
  return new GatewayError('service_not_started', message)
}
