// Real threads that ask one owner at the same time.
import { noKeys } from '../../src/clients/keys/key-file.ts'
import { Inbox } from '../../src/app/workers/inbox.ts'
import type { FromWorker } from '../../src/app/workers/messages.ts'
import { WorkerThread } from '../../src/app/workers/worker-thread.ts'
import type { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import { MemoryObjectOwners } from '../../src/routing/object-owners.ts'
import { soon } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'
import { unaskedStatus } from './unasked-status.ts'
import { unknownFormats } from './unknown-formats.ts'

export const askingChannel = 'asking workers'

export interface AskingCommand {
  readonly thread: number
  readonly times: number
  /** Calls at a time. */
  readonly inFlight: number
  /** Undefined: calls are held and never settled. */
  readonly usedTokens: number | undefined
}

export interface Counts {
  /** Calls that were charged, or are held. */
  readonly admitted: number
  readonly charged: number
}

export interface AskingWorkers {
  /** Resolves when the thread has made its calls. */
  hammer(command: AskingCommand): Promise<Counts>
  /** Has the thread begin, and waits for nothing. */
  begin(command: AskingCommand): void
  /** What was thrown while what a thread held was released. */
  readonly bugs: readonly unknown[]
  /** Ends a thread wherever it is; resolves when the owner has dealt with that. */
  end(thread: number): Promise<void>
}

/** Starts threads 1 to `count`; they end with the test. */
export async function startAskingWorkers(
  t: Cleanup,
  coordinator: LocalCoordinator,
  count: number,
): Promise<AskingWorkers> {
  const inbox = new Inbox<FromWorker>()
  const port = new BroadcastChannel(askingChannel)
  const printed = new Map<number, (text: string) => void>()
  const bugs: unknown[] = []
  const services = {
    coordinator,
    formats: unknownFormats,
    owners: new MemoryObjectOwners(),
    keySets: { find: () => ({ set: undefined, isReachable: false }) },
    floodWindows: undefined,
    discovered: new Map(),
    onModels: undefined,
    onServerEnded: undefined,
    refreshModels: () => Promise.resolve(),
    readMetrics: () => Promise.resolve([]),
    describeStore: async () => undefined,
    readUsage: () => Promise.resolve({ state: undefined, report: undefined, spending: [] }),
  }
  const threads = Array.from({ length: count }, (_, index) => {
    const number = index + 1
    const start = {
      number,
      config: { serialized: undefined },
      hasLedger: false,
      hasAudit: false,
      reloaded: undefined,
      discovered: new Map(),
      foundFormats: new Map(),
      prefixKey: [1, 2] as const,
      hosts: [],
      tcpPort: 0,
      unixSocket: undefined,
      sockets: [],
      hasCounts: false,
      isJournal: false,
      isTTY: false,
      version: 'test',
      configFile: 'test',
      keyFile: noKeys,
    }
    const entry = new URL('./asking-worker.ts', import.meta.url)
    const onLog = (text: string) => printed.get(number)?.(text)
    const status = unaskedStatus
    const ignored = { onRows: () => {}, onUnfinished: () => {}, onAudited: () => {}, onCounts: () => {} }
    const onBug = (error: unknown) => void bugs.push(error)
    return new WorkerThread({
      entry,
      start,
      inbox,
      services,
      status,
      leases: undefined,
      onLog,
      onBug,
      ...ignored,
    })
  })
  const end = async (thread: number) => {
    await threads[thread - 1]!.terminate()
    await threads[thread - 1]!.ended
  }
  t.after(async () => {
    port.close()
    await Promise.all(threads.map((_, index) => end(index + 1)))
  })
  await Promise.all(threads.map(({ started }) => started))
  return {
    hammer(command) {
      const { promise, resolve } = Promise.withResolvers<Counts>()
      printed.set(command.thread, (text) => resolve(JSON.parse(text) as Counts))
      port.postMessage(command)
      return soon(promise, () => `thread ${command.thread} to have made its calls`)
    },
    begin: (command) => port.postMessage(command),
    bugs,
    end,
  }
}
