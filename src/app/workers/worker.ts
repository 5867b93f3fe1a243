// A worker thread: serves calls like a gateway of its own, but for what the main thread owns.
import { workerData } from 'node:worker_threads'
import { perClientRpmOf } from '../../admission/limits-of.ts'
import { holdsKey } from '../../clients/keys/key-format.ts'
import { systemClock } from '../../platform/clock.ts'
import { StartError } from '../../errors.ts'
import { createEvents, type Sink } from '../../observe/events.ts'
import { createLog, type LogOutput } from '../../observe/log/log.ts'
import { appendRow, type Cell } from '../../ledger/call-row.ts'
import { namingBy } from '../../observe/pseudonymous-events.ts'
import { isAudited } from '../../observe/sinks/audit.ts'
import { logSink } from '../../observe/sinks/log.ts'
import { CallHistory } from '../../status/call-history.ts'
import { metricsSink } from '../../observe/sinks/metrics.ts'
import { CallTracing } from '../../observe/tracing/call-tracing.ts'
import { LoopTime } from '../loop-time.ts'
import { ledgerSink } from '../open-ledger.ts'
import { pseudonymsOf } from '../pseudonyms.ts'
import { ServingThread } from '../serving-thread.ts'
import { deserializeConfig } from './config-transfer.ts'
import type { Command, FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { type Batch, Outbox } from './outbox.ts'
import { RemoteCounts } from './remote-counts.ts'
import { RemoteServices } from './remote-services.ts'

const start = workerData as WorkerStart
const { port } = start
const config = deserializeConfig(start.config)
const outbox = new Outbox<FromWorker>(port)
const post = (message: FromWorker) => outbox.post(message)
// Also after an error that nobody caught.
process.on('exit', () => outbox.flush())
const { discovered, foundFormats, prefixKey } = start
const rpm = perClientRpmOf(config)
const services = new RemoteServices({
  outbox,
  rpm,
  now: systemClock.now,
  discovered,
  foundFormats,
  prefixKey,
  onBug: (error) => events.emit({ kind: 'internal_error', error, where: 'the main thread' }),
})
const log: LogOutput = { write: (text) => post({ kind: 'log', text }) }
const logLines = logSink(createLog(config.logging.level, log))
/** The main thread reports a stop, once for all workers. */
const workerSink: Sink = {
  name: logLines.name,
  wants: (kind) => kind !== 'attempt_ended' && kind !== 'stopping',
  receive: (event) => logLines.receive(event),
}

const ledgerRows = ledgerSink({
  record(call) {
    const rows: Cell[] = []
    appendRow(rows, call, systemClock.wallNow())
    post({ kind: 'rows', rows })
  },
})
const securityEvents: Sink = {
  name: 'audit',
  receive(event) {
    if (isAudited(event)) post({ kind: 'audited', event })
  },
}
const { wallNow } = systemClock
const history = new CallHistory({ maxCalls: config.status.recentCalls, wallNow })
const counts = start.hasCounts ? new RemoteCounts(outbox, config.metrics.maxSeries) : undefined
const loopTime = counts && new LoopTime(counts, String(start.number))
const { maxModels, hasClientLabel } = config.metrics
const tracing = new CallTracing({
  ...systemClock,
  version: start.version,
  holdsKey,
  emit: (event) => events.emit(event),
})
const sinks = [
  workerSink,
  tracing,
  history,
  ...(start.hasLedger ? [ledgerRows] : []),
  ...(start.hasAudit ? [securityEvents] : []),
  ...(counts === undefined ? [] : [metricsSink(counts, { maxModels, hasClients: hasClientLabel })]),
]

const events = createEvents(sinks, namingBy(pseudonymsOf(config.usage)))

const starting = startWorker()
port.on('message', ({ messages }: Batch<ToWorker>) => {
  for (const message of messages) onMessage(message)
})
starting.then(
  ({ addresses }) => post({ kind: 'listening', addresses }),
  (error: unknown) => {
    if (!(error instanceof StartError)) throw error
    post({ kind: 'refused', message: error.message })
  },
)

async function startWorker(): Promise<ServingThread> {
  const { hosts, tcpPort, unixSocket, version, sockets, keyFile } = start
  const thread = new ServingThread(
    { ...config, server: { ...config.server, hosts, port: tcpPort, unixSocket } },
    {
      shared: services,
      status: services.status,
      events,
      tracing,
      history,
      keyFile,
      version,
      sockets,
      clock: systemClock,
      sharesPort: true,
    },
  )
  await thread.start()
  if (start.reloaded !== undefined) thread.reload(deserializeConfig(start.reloaded))
  return thread
}

function onMessage(message: ToWorker): void {
  switch (message.kind) {
    case 'response':
    case 'failed':
    case 'models':
    case 'server_ended':
    case 'formats':
    case 'permits':
    case 'recall':
    case 'exhausted':
      services.onMessage(message)
      return
    case 'reload':
    case 'keys':
    case 'revoke':
    case 'stop':
    case 'ping':
    case 'measure':
      // Those that come before the start is over wait for it.
      void starting.then((started) => {
        post({ kind: 'done', command: message.command, calls: follow(started, message) })
      })
      return
    case 'cancel_call':
      void starting.then(async (started) => {
        const isDone = await started.cancelCall(message.id, message.by)
        post({ kind: 'done', command: message.command, calls: isDone ? 1 : 0 })
      })
      return
    case 'look':
      void starting.then((started) => {
        post({ kind: 'looked', command: message.command, look: started.lookNow() })
      })
      return
    default:
      message satisfies never
  }
}

/** @returns how many calls it concerns, as `done` reports them. */
function follow(started: ServingThread, command: Exclude<Command, { kind: 'cancel_call' | 'look' }>): number {
  switch (command.kind) {
    case 'reload':
      started.reload(deserializeConfig(command.config))
      return 0
    case 'keys':
      return started.setKeys(command.file).ended
    case 'revoke':
      started.revokeKeys(command.secretIds)
      return 0
    case 'stop': {
      const openCalls = started.openCalls()
      void stop(started, command.reason)
      return openCalls
    }
    case 'ping':
      return 0
    case 'measure':
      loopTime?.count()
      return started.openCalls()
    default:
      return command satisfies never
  }
}

async function stop(started: ServingThread, reason: string): Promise<void> {
  await started.stop(reason)
  await started.close()
  post({ kind: 'stopped' })
}
