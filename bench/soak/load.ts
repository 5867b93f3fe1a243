// The load generator of the soak, a process of its own: sends the mix at a fixed rate and, asked for a sample, tells what has
// ended since the last one. It ends with its parent.
import { Connection, type Expected } from '../gateways/connection.ts'
import { pace } from '../gateways/pace.ts'
import { percentile, randomFrom, shuffled } from '../gateways/statistics.ts'
import { Requests } from '../gateways/tally.ts'
import { cycleOf, type Kind } from './mix.ts'
import type { LoadOrder, LoadSample, Times } from './orders.ts'

/** An answer that takes longer is a fault. */
const patienceMs = 30_000
/** What is due beyond so many calls under way is not sent: a machine that cannot keep the rate does not run out of files. */
const mostOpen = { measured: 2000, warmingUp: 64 }

interface Sender {
  readonly kind: Kind
  readonly requests: Requests
  readonly expected: Expected
}

interface Open {
  readonly connection: Connection
  readonly sinceMs: number
  readonly end: (fault: string | undefined) => void
}

let senders: readonly Sender[] = []
let cycle: readonly number[] = []
let at = 0
/** Of the pace that is kept; an older one sees that it is over. */
let paceId = 0
let port = 0
const idle: Connection[] = []
const open = new Set<Open>()

let [calls, left] = [0, 0]
let faults: Record<string, number> = {}
let whole: number[] = []
let firstEvents: number[] = []
let lateness: number[] = []

process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const order = message as LoadOrder
  switch (order.kind) {
    case 'begin':
      begin(order)
      break
    case 'rate':
      keepPace(order)
      break
    case 'sample':
      process.send?.(sample())
      break
    case 'stop':
      paceId += 1
      void untilEnded().then(() => process.send?.(sample()))
      break
  }
})
process.send?.('ready')

function begin({ mix, seed }: LoadOrder & { kind: 'begin' }): void {
  port = mix[0]!.calls.address.port
  senders = mix.map((kind) => {
    const requests = new Requests(kind.calls)
    const expected: Expected =
      kind.statuses === undefined ? requests.expected : { kind: 'status', oneOf: kind.statuses }
    return { kind, requests, expected }
  })
  cycle = shuffled(cycleOf(mix), randomFrom(seed))
}

function keepPace({ ratePerSecond, isWarmUp }: LoadOrder & { kind: 'rate' }): void {
  paceId += 1
  const id = paceId
  pace({ startMs: performance.now(), ratePerSecond }, (dueMs) => {
    if (id !== paceId) return false
    if (open.size < (isWarmUp ? mostOpen.warmingUp : mostOpen.measured)) {
      send(senders[cycle[at]!]!, dueMs)
      at = (at + 1) % cycle.length
    } else if (!isWarmUp) {
      faulty(`not sent, since ${mostOpen.measured} calls were under way: the rate is too high`)
    }
    return true
  })
}

function send({ kind, requests, expected }: Sender, dueMs: number): void {
  // What the generator itself is late by is nobody's time.
  const sentMs = performance.now()
  lateness.push(sentMs - dueMs)
  const connection = idle.pop() ?? new Connection(port)
  const call: Open = {
    connection,
    sinceMs: sentMs,
    end(fault) {
      open.delete(call)
      calls += 1
      if (fault !== undefined) faulty(`${kind.name}: ${fault}`)
    },
  }
  open.add(call)
  let events = 0
  connection.call(requests.next(), expected, {
    onEvents(count) {
      if (events === 0) firstEvents.push(performance.now() - sentMs)
      events += count
      if (kind.leavesAfter !== undefined && events >= kind.leavesAfter) leave(call)
    },
    onEnd(fault) {
      call.end(fault)
      idle.push(connection)
      if (kind.isTimed && fault === undefined) whole.push(performance.now() - sentMs)
    },
  })
  // In a moment, when the gateway has sent it on.
  if (kind.leavesAfter === 0) setTimeout(() => leave(call), 10)
}

function faulty(what: string): void {
  faults[what] = (faults[what] ?? 0) + 1
}

function leave(call: Open): void {
  if (!open.has(call)) return
  call.connection.close()
  left += 1
  call.end(undefined)
}

function sample(): LoadSample {
  giveUp()
  const result: LoadSample = {
    calls,
    left,
    faults,
    open: open.size,
    whole: timesOf(whole),
    firstEvents: timesOf(firstEvents),
    latenessP99Ms: timesOf(lateness)?.p99 ?? 0,
  }
  ;[calls, left, faults, whole, firstEvents, lateness] = [0, 0, {}, [], [], []]
  return result
}

/** Of calls that nothing comes of. */
function giveUp(): void {
  const beforeMs = performance.now() - patienceMs
  for (const call of open) {
    if (call.sinceMs > beforeMs) continue
    call.connection.close()
    call.end(`no answer for ${patienceMs} ms`)
  }
}

function timesOf(values: readonly number[]): Times | undefined {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
}

async function untilEnded(): Promise<void> {
  while (open.size > 0) {
    giveUp()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
